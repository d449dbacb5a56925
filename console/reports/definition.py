"""The definition of a report: its columns, its parameters, its title and its messages.

Page, API, command, CSV and XLSX render the same definition.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from console.reports.output import Record, Value
from payments.core.sorting import Sort

MONEY_HEADING_MAX = 12
"""A terminal breaks longer headings of amounts into lines, so that these columns stay narrow."""


class ColumnKind(StrEnum):
    """The kind of a column's values. It determines their alignment and format."""

    TEXT = "text"
    MONEY = "money"
    COUNT = "count"
    DATE = "date"
    MOMENT = "moment"


class SortCost(StrEnum):
    """The way in which the rows of a report are sorted by a column.

    INDEX: the database reads the rows in the order of an index, so the report may have any length. ROWS: all rows are
    read and then sorted, so a page sorts only reports of up to SORTED_ROWS_MAX rows.
    """

    INDEX = "index"
    ROWS = "rows"


@dataclass(frozen=True)
class Column:
    """A column of a report. `key` is its name in JSON, CSV and XLSX; `heading` is its name on pages and terminals.

    - `from_width`: a terminal with fewer characters omits the column.
    - `wraps`: whether a terminal breaks long values into lines.
    - `text`: a function of a record. A terminal prints its result instead of the column's value.
    - `css_class`: the CSS class of the column's cells on a page.
    - `sort`: None if the report cannot be sorted by the column.
    """

    key: str
    heading: str
    kind: ColumnKind = ColumnKind.TEXT
    from_width: int = 0
    wraps: bool = False
    text: Callable[[Record], Value] | None = None
    css_class: str = ""
    sort: SortCost | None = None

    @property
    def first_sort(self) -> Sort:
        """The sort when a user first chooses the column: text from A to Z, other values from the largest or newest."""
        return Sort(self.key, self.kind is not ColumnKind.TEXT)

    @cached_property
    def heading_class(self) -> str:
        """The CSS classes of the column's heading on a page."""
        return " ".join(
            filter(None, ["n" if self.kind in {ColumnKind.MONEY, ColumnKind.COUNT} else "", self.css_class])
        )

    @cached_property
    def cell_class(self) -> str:
        """The CSS classes of the column's cells on a page."""
        return (
            f"nowrap {self.css_class}".strip()
            if self.kind in {ColumnKind.DATE, ColumnKind.MOMENT}
            else self.heading_class
        )

    @property
    def terminal_heading(self) -> str:
        """The column's heading on a terminal. The heading of times ends with `(UTC)`.

        Long headings of amounts are broken at spaces.
        """
        if self.kind is ColumnKind.MONEY and len(self.heading) > MONEY_HEADING_MAX:
            return self.heading.replace(" ", "\n")
        return f"{self.heading} (UTC)" if self.kind is ColumnKind.MOMENT else self.heading

    def terminal_value(self, record: Record) -> Value:
        """Return the text that a terminal prints for this column of a record."""
        return self.text(record) if self.text else record[self.key]


@dataclass(frozen=True)
class Report:
    """A report. `columns` are in the order of the keys in JSON, CSV and XLSX.

    - `table`: the columns on a terminal.
    - `page`: the columns on a page. If it is empty, they are the columns of `table`.
    - `noun`: what a row is, for example `payment`.
    - `empty`: the message of a report without rows.
    - `total_of`: the column whose sum is shown.
    - `summed_on_page`: the column whose sum pages show instead, if it is given.
    - `counted_by`: if a record represents several rows, the column with the number of rows.
    - `parameters`: the dataclass of the filters.
    - `order`: the sort of pages and files if the user chooses none.
    """

    title: str
    columns: tuple[Column, ...]
    table: tuple[str, ...]
    noun: str
    empty: str
    page: tuple[str, ...] = ()
    total_of: str | None = None
    counted_by: str | None = None
    parameters: type[Any] | None = None
    order: Sort | None = None
    summed_on_page: str | None = None

    @property
    def summed(self) -> str | None:
        """The column whose sum a page shows beside the number of rows, or None for a list without amounts."""
        return self.summed_on_page or self.total_of

    @property
    def plural_noun(self) -> str:
        """The plural of `noun`."""
        return f"{self.noun[:-1]}ies" if self.noun.endswith("y") else f"{self.noun}s"

    @property
    def sorts(self) -> list[Sort]:
        """The sorts that a user can choose: by each sortable column, in both directions."""
        keys = [column.key for column in self.columns if column.sort]
        return [Sort(key, is_descending) for key in keys for is_descending in (False, True)]

    def sort_of(self, chosen: Any) -> Sort:
        """Return the sort that the parameters choose. If they choose none, return the default sort."""
        text = getattr(chosen, "sort", None)
        return Sort.parse(text) if text else self.order or Sort(self.columns[0].key)

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the report's records in JSON, CSV and XLSX, in order."""
        return tuple(column.key for column in self.columns)

    @property
    def table_columns(self) -> list[Column]:
        """The columns that a terminal shows, in order."""
        return [self.column(key) for key in self.table]

    @cached_property
    def page_columns(self) -> list[Column]:
        """The columns that a page shows, in order."""
        return [self.column(key) for key in self.page or self.table]

    def column(self, key: str) -> Column:
        """Return the column with this key."""
        return next(column for column in self.columns if column.key == key)
