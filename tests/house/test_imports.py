"""The import graph has no cycles."""

from functools import cache

import grimp

from tests.house.source import PRODUCT_FOLDERS


@cache
def import_graph() -> grimp.ImportGraph:
    """Return the imports of each module, including imports in functions and for type checking."""
    return grimp.build_graph(*PRODUCT_FOLDERS, cache_dir=None)


def test_no_import_is_part_of_a_cycle() -> None:
    graph = import_graph()
    behind = {module: graph.find_upstream_modules(module) for module in graph.modules}

    cyclic = [
        f"{module} -> {imported}"
        for module in sorted(graph.modules)
        for imported in sorted(graph.find_modules_directly_imported_by(module))
        if module in behind[imported]
    ]

    assert cyclic == []
