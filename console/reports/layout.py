"""The columns of a report and how a table shows them."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Column:
    """A column of a table; a terminal narrower than `from_width` is spared it. `wraps` may take several lines."""

    key: str
    heading: str
    from_width: int = 0
    wraps: bool = False


@dataclass(frozen=True)
class Layout:
    """What a report is called, the keys of its records, its columns on a terminal, and what its rows are called.

    `total_of` is the column that is added up; `empty` is said when there are no rows.
    """

    title: str
    keys: tuple[str, ...]
    columns: tuple[Column, ...]
    noun: str
    empty: str
    total_of: str | None = None
    counted_by: str | None = None
