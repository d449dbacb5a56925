"""The order of a list, a position in the list, and the part of the list that a page shows."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import NamedTuple

SortValue = str | int | Decimal | date
Position = tuple[SortValue, ...]
"""The values of a row's sort keys. The last keys identify the row, so no two rows have the same position."""

SORTED_ROWS_MAX = 10_000
"""The largest number of rows that a page sorts by a column without an index."""


class Sort(NamedTuple):
    """A column of a list and the direction in which the list is sorted by it."""

    column: str
    is_descending: bool = False

    @classmethod
    def parse(cls, text: str) -> "Sort":
        """Parse the name of a column, with a leading `-` for descending order: `amount` or `-amount`."""
        return cls(text.removeprefix("-"), text.startswith("-"))

    def __str__(self) -> str:
        """Return the text that `parse` reads."""
        return f"{'-' if self.is_descending else ''}{self.column}"


@dataclass(frozen=True, slots=True)
class Window:
    """The part of a sorted list that a page shows: at most `limit` rows after `position`.

    If `is_backward`, the page shows the rows before `position`. If `position` is None, it shows the first rows of the
    list, or the last rows if `is_backward`.
    """

    limit: int
    position: Position | None = None
    is_backward: bool = False


class TooManyToSortError(ValueError):
    """A list has more than SORTED_ROWS_MAX rows, and no index is ordered by the column."""

    def __init__(self, sort: Sort) -> None:
        super().__init__(f"only lists of up to {SORTED_ROWS_MAX:,} rows can be sorted by {sort.column}")
        self.sort = sort
