"""Definition of a report: its columns, its parameters, its title and its messages.

Page, API, command line, CSV and XLSX render the same definition.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from console.reports.output import Record, Value
from payments.core.sorting import Sort

MONEY_HEADING_MAX = 12
"""Characters of a heading above which a terminal breaks it, so that a column of amounts stays narrow."""


class ColumnKind(StrEnum):
    """The kind of a column's values. It determines their alignment and format."""

    TEXT = "text"
    MONEY = "money"
    COUNT = "count"
    DATE = "date"
    MOMENT = "moment"


class SortCost(StrEnum):
    """How a report is sorted by a column.

    INDEX: in the order of an index, however long the report is. ROWS: by sorting the rows, so a page sorts only reports
    of up to SORTED_ROWS_MAX rows.
    """

    INDEX = "index"
    ROWS = "rows"


@dataclass(frozen=True)
class Column:
    """A column of a report. `key` is its name in JSON, CSV and XLSX; `heading` is its name on pages and terminals.

    A terminal with fewer than `from_width` characters omits the column. If `wraps`, a terminal breaks long values into
    lines. If `text` is set, a terminal prints its return value in place of the value. A page adds `css_class` to the
    cells. `sort` is None for a column by which the report cannot be sorted.
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
        """The sort when a user chooses the column: text from A to Z, the largest amounts and the newest dates first."""
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
        """The column's heading on a terminal. It says UTC for times, and breaks long headings of amounts at spaces."""
        if self.kind is ColumnKind.MONEY and len(self.heading) > MONEY_HEADING_MAX:
            return self.heading.replace(" ", "\n")
        return f"{self.heading} (UTC)" if self.kind is ColumnKind.MOMENT else self.heading

    def terminal_value(self, record: Record) -> Value:
        """Return this column's value of a record as a terminal prints it."""
        return self.text(record) if self.text else record[self.key]


@dataclass(frozen=True)
class Report:
    """A report. `columns` are in the order of the keys in JSON, CSV and XLSX.

    `table` lists the columns on a terminal, and `page` the columns on a page; an empty `page` means the columns of
    `table`. `total_of` is the column whose sum is shown; on pages it is `summed_on_page`, if that is given. If a record
    represents several rows, `counted_by` is the column with the number of rows. `noun` is the name of a row, and
    `empty` the message of a report without rows.
    `parameters` is the dataclass of the filters. `order` is the sort of its pages and files, unless another is chosen.
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
        """The column whose sum a page shows beside the number of rows; None for a list without amounts."""
        return self.summed_on_page or self.total_of

    @property
    def nouns(self) -> str:
        """The name of several rows."""
        return f"{self.noun[:-1]}ies" if self.noun.endswith("y") else f"{self.noun}s"

    @property
    def sorts(self) -> list[Sort]:
        """The sorts that can be chosen: each sortable column in both directions."""
        keys = [column.key for column in self.columns if column.sort]
        return [Sort(key, is_descending) for key in keys for is_descending in (False, True)]

    def sort_of(self, chosen: Any) -> Sort:
        """Return the sort that the parameters of a request choose, or the default one."""
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
