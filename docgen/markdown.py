"""Markdown building blocks of the generated pages."""

from collections.abc import Iterable, Sequence


def heading(title: str, source: str) -> str:
    """Return the title of a page, and a note that names the source file to edit instead of the page."""
    return f"# {title}\n\n<!-- Generated from {source} by `make docs-reference`. Edit the source, not this page. -->\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table. In a cell, line breaks become spaces, and `|` is escaped."""
    lines = [" | ".join(columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(_escaped_cell(cell) for cell in row) for row in rows]
    return "".join(f"| {line} |\n" for line in lines)


def _escaped_cell(text: str) -> str:
    return " ".join(text.split()).replace("|", r"\|")


def code(text: object) -> str:
    """Return text as inline code, or an empty text unchanged."""
    return f"`{text}`" if str(text) else ""
