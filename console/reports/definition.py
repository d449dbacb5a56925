"""Definition of a report: its columns, its parameters and the words around its rows.

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
    """What a column holds, which decides how it is aligned and formatted."""

    TEXT = "text"
    MONEY = "money"
    COUNT = "count"
    DATE = "date"
    MOMENT = "moment"


@dataclass(frozen=True)
class Column:
    """A column of a report. `key` is its name in JSON, CSV and XLSX; `heading` is its name on pages and terminals.

    A terminal leaves the column out below `from_width` characters, breaks it over lines if it `wraps`, and prints the
    result of `text` in place of the value. A page adds `css_class` to its cells.
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
        """The CSS classes of its heading on a page."""
        return " ".join(
            filter(None, ["n" if self.kind in {ColumnKind.MONEY, ColumnKind.COUNT} else "", self.css_class])
        )

    @cached_property
    def cell_class(self) -> str:
        """The CSS classes of its cells on a page."""
        return (
            f"nowrap {self.css_class}".strip()
            if self.kind in {ColumnKind.DATE, ColumnKind.MOMENT}
            else self.heading_class
        )

    @property
    def terminal_heading(self) -> str:
        """The heading on a terminal, where times are in UTC and long headings of amounts break at spaces."""
        if self.kind is ColumnKind.MONEY and len(self.heading) > MONEY_HEADING_MAX:
            return self.heading.replace(" ", "\n")
        return f"{self.heading} (UTC)" if self.kind is ColumnKind.MOMENT else self.heading

    def terminal_value(self, record: Record) -> Value:
        """Return what a terminal prints of a record."""
        return self.text(record) if self.text else record[self.key]


@dataclass(frozen=True)
class Report:
    """A report. `columns` are in the order of the keys in JSON, CSV and XLSX.

    `table` names the columns of a terminal and `page` those of a page, in their order; an empty `page` has the columns
    of `table`. `total_of` is the column that is added up. `counted_by` is the column that counts rows, if a record
    stands for several. `noun` is what a row is called, `empty` the message if there are none. `parameters` is the
    dataclass of its filters.
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
        """The keys of its records in JSON, CSV and XLSX, in their order."""
        return tuple(column.key for column in self.columns)

    @property
    def table_columns(self) -> list[Column]:
        """The columns of a terminal, in their order."""
        return [self.column(key) for key in self.table]

    @cached_property
    def page_columns(self) -> list[Column]:
        """The columns of a page, in their order."""
        return [self.column(key) for key in self.page or self.table]

    def column(self, key: str) -> Column:
        """Return the column with this key."""
        return next(column for column in self.columns if column.key == key)
