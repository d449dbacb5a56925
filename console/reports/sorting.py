"""Sort the records of a report that is read as a whole."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from console.reports.output import Record, Value
from payments.core.sorting import Sort

_Row = TypeVar("_Row")


def sort_records(records: Iterable[Record], sort: Sort) -> list[Record]:
    """Return records in the order of a column. Records without a value come last, or first in descending order."""
    return sorted(records, key=lambda record: _key(record[sort.column]), reverse=sort.is_descending)


def sort_rows(rows: Sequence[_Row], records: Iterable[Record], sort: Sort) -> list[_Row]:
    """Return rows in the order of a column of their records."""
    pairs = sorted(
        zip(rows, records, strict=True), key=lambda pair: _key(pair[1][sort.column]), reverse=sort.is_descending
    )
    return [row for row, _ in pairs]


def _key(value: Value) -> tuple[bool, Value]:
    # The values of a column have one type. A list has no order that a reader expects, except that of its text.
    return value is None, str(value) if isinstance(value, list) else value if value is not None else ""
