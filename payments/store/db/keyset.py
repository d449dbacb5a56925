"""Keyset pagination: read the rows of a sorted list that come after or before a position.

The time to read a page does not depend on its position in the list. Rows that are added between two requests do not
move other rows to another page.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, NamedTuple, TypeVar

from payments.core.sorting import Position, Sort, Window

_Row = TypeVar("_Row")
_LARGEST_VALUES = {
    "date": "DATE '9999-12-31'",
    "timestamptz": "TIMESTAMPTZ '9999-12-31 00:00+00'",
    "numeric": "9999999999.99",
}
_SORTED_VALUE_OF_NULL = {"text": "''", "bigint": "0"} | _LARGEST_VALUES


class SortKey(NamedTuple):
    """An SQL expression by which rows are sorted, and its PostgreSQL type. The expression is never null."""

    expression: str
    sql_type: str

    @classmethod
    def of_nullable(cls, expression: str, sql_type: str) -> "SortKey":
        """Return the key of an expression that may be null.

        Null is sorted as the empty text, as bigint 0, or for the other types as a value above all others.
        """
        return cls(f"coalesce({expression}, {_SORTED_VALUE_OF_NULL[sql_type]})", sql_type)


class PositionedRow(NamedTuple, Generic[_Row]):
    """A row of a list, and its position."""

    position: Position
    row: _Row


def order_by(keys: Sequence[SortKey], sort: Sort) -> str:
    """Return the ORDER BY clause of a whole list."""
    return _order_by(keys, is_descending=sort.is_descending)


def _order_by(keys: Sequence[SortKey], *, is_descending: bool) -> str:
    direction = " DESC" if is_descending else ""
    return f"ORDER BY {', '.join(f'{key.expression}{direction}' for key in keys)}"


@dataclass(frozen=True, slots=True)
class Page(Generic[_Row]):
    """The rows of a page with their positions.

    `has_more` and `has_previous` tell whether rows follow and precede them.
    """

    rows: Sequence[PositionedRow[_Row]]
    has_more: bool
    has_previous: bool = False


def read_window(window: Window, read: Callable[[Window], list[PositionedRow[_Row]]]) -> Page[_Row]:
    """Return the page of a window. `read` returns the rows of a window in the order of the list.

    If the page would begin before the first row of the list, the first page is returned.
    """
    found = read(replace(window, limit=window.limit + 1))
    is_beyond = len(found) > window.limit
    if not window.is_backward:
        return Page(found[: window.limit], has_more=is_beyond, has_previous=window.position is not None)
    if not is_beyond:
        return read_window(Window(window.limit), read)
    return Page(found[1:], has_more=window.position is not None, has_previous=True)


@dataclass(frozen=True, slots=True)
class Keyset:
    """The order of a list and the window to read, as parts of an SQL query. All keys have the same direction."""

    keys: Sequence[SortKey]
    is_descending: bool
    window: Window

    @property
    def reads_descending(self) -> bool:
        """Whether the query reads the rows in descending order. A page before a position is read backwards."""
        return self.is_descending != self.window.is_backward

    @property
    def comparison(self) -> str:
        """The operator that compares the keys of a row with the position: `>` or `<`."""
        return "<" if self.reads_descending else ">"

    @property
    def columns(self) -> str:
        """The values of the keys, as columns of the query."""
        return ", ".join(f"{key.expression} AS key_{index}" for index, key in enumerate(self.keys))

    @property
    def order_by(self) -> str:
        """The ORDER BY clause with its LIMIT."""
        return f"{_order_by(self.keys, is_descending=self.reads_descending)} {self.limit}"

    @property
    def limit(self) -> str:
        """The LIMIT clause, with one row more than the page shows.

        The number is part of the SQL text, not a parameter, so that PostgreSQL does not plan each page's query again.
        """
        return f"LIMIT {self.window.limit:d}"

    @property
    def condition(self) -> str:
        """The condition, preceded by AND, that a row is on the page's side of the position."""
        if self.window.position is None:
            return ""
        keys = ", ".join(key.expression for key in self.keys)
        values = ", ".join(f"CAST(:position_{index} AS {key.sql_type})" for index, key in enumerate(self.keys))
        return f" AND ({keys}) {self.comparison} ({values})"

    @property
    def parameters(self) -> dict[str, object]:
        """The parameters of `condition`."""
        return {f"position_{index}": value for index, value in enumerate(self.window.position or ())}

    def positioned(self, row: Sequence[Any], make: Callable[[Sequence[Any]], _Row]) -> PositionedRow[_Row]:
        """Return a row of the query with its position. `make` builds the row from the columns that follow the keys."""
        return PositionedRow(tuple(row[: len(self.keys)]), make(row[len(self.keys) :]))

    def in_order(self, rows: Iterable[_Row]) -> list[_Row]:
        """Return the rows that the query found, in the order of the list."""
        found = list(rows)
        return found[::-1] if self.window.is_backward else found
