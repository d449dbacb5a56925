"""No query excludes rows by NOT IN with a subquery.

PostgreSQL checks this condition for each row. If the rows of the subquery do not fit into `work_mem`, PostgreSQL reads
them again for each row. NOT EXISTS becomes a join, which has no such limit.
"""

import ast
import re

import pytest

from tests.house.source import PRODUCT_FOLDERS, Source, find_violations

# A list of literals or parameters after NOT IN is harmless. In an f-string, the subquery may be inserted.
NEGATED_SUBQUERY_PATTERN = re.compile(
    r"""
    \bNOT\s+IN\s*\((?!\s*['\d:])
    | (<>|!=)\s*ALL\s*\(\s*(SELECT|TABLE|VALUES|WITH)\b
    | \bNOT\s+\(?\s*("?[\w.]+"?|\([^()]*\))\s+(IN|=\s*ANY)\s*\(\s*(SELECT|TABLE|VALUES|WITH)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)


def is_negated_subquery(source: Source, node: ast.AST) -> bool:
    match node:
        case ast.Constant(value=str(text)):
            return bool(NEGATED_SUBQUERY_PATTERN.search(text)) and not source.is_migration
        case ast.Attribute(attr="not_in" | "notin_"):
            return True
        case ast.UnaryOp(op=ast.Invert(), operand=ast.Call(func=ast.Attribute(attr="in_"))):
            return True
    return False


def test_no_query_excludes_rows_by_a_negated_subquery() -> None:
    assert find_violations(PRODUCT_FOLDERS, is_negated_subquery) == []


@pytest.mark.parametrize(
    ("code", "is_found"),
    [
        ("'WHERE id NOT IN (SELECT line_ref FROM findings)'", True),
        ("'WHERE id not in\\n  (\\n  TABLE answered)'", True),
        ("f'WHERE (company_id, id) NOT IN ({answered})'", True),
        ("'WHERE NOT id IN (SELECT line_ref FROM findings)'", True),
        ("'WHERE NOT (lines.id = ANY (SELECT line_ref FROM findings))'", True),
        ("'WHERE NOT (company_id, id) IN (SELECT company_id, line_ref FROM findings)'", True),
        ("'WHERE id <> ALL (SELECT line_ref FROM findings)'", True),
        ("lines.c.id.not_in(answered)", True),
        ("~lines.c.id.in_(answered)", True),
        ("'WHERE NOT EXISTS (SELECT FROM findings WHERE line_ref = lines.id)'", False),
        ("'WHERE id IN (SELECT line_ref FROM findings)'", False),
        ("""'WHERE status NOT IN ("open", 1)'""".replace('"', "\\'"), False),
        ("'WHERE id <> ALL (CAST(:ids AS bigint[]))'", False),
        ("lines.c.id.in_(answered)", False),
    ],
)
def test_negated_subquery_is_recognized(code: str, *, is_found: bool) -> None:
    tree = ast.parse(code)
    source = Source("payments/store/example.py", code, tree, tuple(ast.walk(tree)))

    assert any(is_negated_subquery(source, node) for node in source.nodes) is is_found
