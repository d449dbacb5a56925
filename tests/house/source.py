"""Read and parse the project's source files once for all house rules."""

import ast
import gc
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
# Every package at the top of the checkout belongs to the product, except these.
FOLDERS_OUTSIDE_PRODUCT = frozenset({"bench", "docgen", "tests"})
TOP_PACKAGES = tuple(sorted(path.parent.name for path in ROOT.glob("[a-z]*/__init__.py")))
PRODUCT_FOLDERS = tuple(name for name in TOP_PACKAGES if name not in FOLDERS_OUTSIDE_PRODUCT)
ALL_FOLDERS = (*PRODUCT_FOLDERS, *sorted(FOLDERS_OUTSIDE_PRODUCT))

Function = ast.FunctionDef | ast.AsyncFunctionDef


class Source(NamedTuple):
    """A parsed Python file of the project."""

    path: str
    text: str
    tree: ast.Module
    nodes: tuple[ast.AST, ...]

    @property
    def is_migration(self) -> bool:
        return "/migrations/" in self.path

    def location(self, node: ast.AST) -> str:
        return f"{self.path}:{getattr(node, 'lineno', 1)}"


@cache
def all_sources() -> tuple[Source, ...]:
    # A million syntax nodes stay in memory; garbage collection would take longer than parsing.
    gc.disable()
    try:
        return tuple(_parse(path) for folder in ALL_FOLDERS for path in sorted((ROOT / folder).rglob("*.py")))
    finally:
        gc.freeze()
        gc.enable()


def sources(*folders: str) -> list[Source]:
    return [source for source in all_sources() if source.path.startswith(tuple(f"{folder}/" for folder in folders))]


def each_function() -> Iterator[tuple[str, Function]]:
    for source in all_sources():
        if not source.is_migration:
            yield from ((f"{source.path}::{node.name}", node) for node in source.nodes if isinstance(node, Function))


def find_violations(folders: Iterable[str], is_wrong: Callable[[Source, ast.AST], bool]) -> list[str]:
    """Return the location ("path:line") of each syntax node in these folders for which `is_wrong` is true."""
    return [source.location(node) for source in sources(*folders) for node in source.nodes if is_wrong(source, node)]


def _parse(path: Path) -> Source:
    text = path.read_text()
    tree = ast.parse(text)
    return Source(str(path.relative_to(ROOT)), text, tree, tuple(ast.walk(tree)))
