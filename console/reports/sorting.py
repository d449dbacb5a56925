"""Sort the rows of a report that are in memory."""

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from console.reports.output import Record, Value
from payments.core.sorting import Sort

_Row = TypeVar("_Row")


def sort_rows(rows: Sequence[_Row], records: Iterable[Record], sort: Sort) -> list[_Row]:
    """Return the rows sorted by a column of their records. Rows without a value come last in both directions."""
    pairs = [*zip(rows, records, strict=True)]
    valued = [pair for pair in pairs if pair[1][sort.column] is not None]
    valued.sort(key=lambda pair: _sort_key(pair[1][sort.column]), reverse=sort.is_descending)
    return [row for row, _ in valued] + [row for row, record in pairs if record[sort.column] is None]


def _sort_key(value: Value) -> Any:
    # The values of a column have one type. Lists are sorted as their text is read.
    return ", ".join(map(str, value)) if isinstance(value, list) else value
