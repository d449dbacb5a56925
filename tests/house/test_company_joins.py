"""A statement that finds a row by a row id of another table must also compare the company."""

import ast
import re
from collections.abc import Iterator

from tests.house.source import ROOT

_REFERENCE_COLUMNS = r"(?:line_ref|set_aside_ref|finding_ref)"
_ROW_ID_COMPARISON_PATTERN = re.compile(
    rf"\b(?:\w+\.)?id = (?:(\w+)\.)?{_REFERENCE_COLUMNS}\b|\b(?:(\w+)\.)?{_REFERENCE_COLUMNS} = \w+\.id\b"
)
_CONDITION_START_PATTERN = re.compile(r"\b(?:ON|WHERE)\b")
_CONDITION_END_PATTERN = re.compile(r"\b(?:JOIN|WHERE|FROM|SELECT|GROUP|ORDER|UNION|LATERAL|OFFSET|LIMIT)\b")
_COMPANY_COMPARISON_PATTERN = re.compile(r"\bcompany_id (?:= |IS NULL)")
_OUTER_COMPANY_COMPARISON_PATTERN = re.compile(r" OFFSET 0\) AS \w+ WHERE \w+\.company_id = ")
"""The end of a subquery that finds rows by their ids, followed by a comparison of the company outside the subquery."""
_PARAMETER_TABLE = "asked"
"""The name that statements give to a table of row ids that are parameters."""


def strings_with_lines(source: str) -> Iterator[tuple[int, str]]:
    """Yield each string of a module with its line number. Code in an f-string becomes `{}`."""
    nodes = list(ast.walk(ast.parse(source)))
    formatted = [node for node in nodes if isinstance(node, ast.JoinedStr)]
    parts = {part for node in formatted for part in node.values}
    for node in formatted:
        yield node.lineno, "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in parts:
            yield node.lineno, node.value


def joins_without_company(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line number and text of each condition of a module that compares row ids but no company."""
    for line, text in strings_with_lines(source):
        for found in _ROW_ID_COMPARISON_PATTERN.finditer(text):
            begins = max((each.end() for each in _CONDITION_START_PATTERN.finditer(text, 0, found.start())), default=0)
            ends = _CONDITION_END_PATTERN.search(text, found.end())
            condition = text[begins : ends.start() if ends else len(text)]
            is_compared = _COMPANY_COMPARISON_PATTERN.search(condition) or _OUTER_COMPANY_COMPARISON_PATTERN.match(
                text, found.end()
            )
            if _PARAMETER_TABLE not in found.groups() and not is_compared:
                yield line, found.group()


def test_joins_on_a_row_id_compare_the_company() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}: {text}"
        for path in sorted((ROOT / "payments" / "store").rglob("*.py"))
        if "migrations" not in path.parts
        for line, text in joins_without_company(path.read_text())
    ]

    assert found == []


def test_join_without_the_company_is_found() -> None:
    source = """
JOIN = "SELECT FROM findings JOIN lines ON lines.id = line_ref WHERE lines.company_id = :company"
EXISTS = f"EXISTS (SELECT FROM findings WHERE findings.set_aside_ref = set_aside.id {more} ORDER BY company_id)"
COMPARED = "findings JOIN lines ON lines.company_id = findings.company_id AND lines.id = line_ref"
ASKED = "unnest(:refs) AS asked(line_ref), LATERAL (SELECT FROM lines WHERE lines.id = asked.line_ref OFFSET 0)"
"""

    assert sorted(line for line, _ in joins_without_company(source)) == [2, 3]
