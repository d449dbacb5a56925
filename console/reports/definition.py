"""Definition of a report: its columns, its parameters, its title and its messages.

Page, API, command line, CSV and XLSX render the same definition.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from console.reports.output import Record, Value

MONEY_HEADING_MAX = 12
"""Characters of a heading above which a terminal breaks it, so that a column of amounts stays narrow."""


class ColumnKind(StrEnum):
    """The kind of a column's values. It determines their alignment and format."""

    TEXT = "text"
    MONEY = "money"
    COUNT = "count"
    DATE = "date"
    MOMENT = "moment"


@dataclass(frozen=True)
class Column:
    """A column of a report. `key` is its name in JSON, CSV and XLSX; `heading` is its name on pages and terminals.

    A terminal with fewer than `from_width` characters omits the column. If `wraps`, a terminal breaks long values into
    lines. If `text` is set, a terminal prints its return value in place of the value. A page adds `css_class` to the
    cells.
    """

    key: str
    heading: str
    kind: ColumnKind = ColumnKind.TEXT
    from_width: int = 0
    wraps: bool = False
    text: Callable[[Record], Value] | None = None
    css_class: str = ""

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
    `table`. `total_of` is the column whose sum is shown. If a record represents several rows, `counted_by` is the
    column with the number of rows. `noun` is the name of a row, and `empty` the message of a report without rows.
    `parameters` is the dataclass of the filters.
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
