"""Write records as JSON and CSV, piece by piece, so that a report of any length takes constant memory."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from itertools import islice

NestedRecord = Mapping[str, str | None]
Value = str | int | Decimal | date | list[str] | list[NestedRecord] | None
Record = Mapping[str, Value]

_PIECE_ROWS = 500
# Separators of cells or rows in some program; blanks and quotes that programs skip; the beginning of a formula.
_SEPARATOR_CHARACTERS = r",;|\t\n\x0b\x0c\r\x1c-\x1e\x85\u2028\u2029"
_IGNORED_CHARACTERS = rf"(?:[^\S{_SEPARATOR_CHARACTERS}]|[\"\ufeff\u200b])*"
_FORMULA_PATTERN = re.compile(
    rf"^(?=[\t\r\n])|((?:^|[{_SEPARATOR_CHARACTERS}]){_IGNORED_CHARACTERS})(?=[=+\-@\uff1d\uff0b\uff0d\uff20])"
)
_QUOTED_CHARACTER_PATTERN = re.compile(rf"[\"{_SEPARATOR_CHARACTERS}]")


class OutputFormat(StrEnum):
    """The formats of a report on the command line."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def json_pieces(records: Iterable[Record], keys: Sequence[str] | None = None) -> Iterator[str]:
    """Yield the pieces of one JSON array, with one object per line.

    Money is text with two decimals; times have their offset.

    `keys` are the keys of each object. None means all keys of the record.
    """
    separator = "[\n"
    for some in _batches(records):
        objects = (
            json.dumps({key: to_json_value(record[key]) for key in keys or record}, ensure_ascii=False)
            for record in some
        )
        yield separator + ",\n".join(objects)
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "\n]\n"


def object_pieces(values: Record, lists: Mapping[str, Iterable[Record]]) -> Iterator[str]:
    """Yield the pieces of one JSON object: first `values`, then each list of records under its key."""
    head = json.dumps(values, default=to_json_value, ensure_ascii=False, indent=1)
    yield head.removesuffix("\n}")
    for name, records in lists.items():
        yield f",\n {json.dumps(name)}: "
        yield from json_pieces(records)
    yield "}\n"


def array_pieces(objects: Iterable[Iterator[str]]) -> Iterator[str]:
    """Yield the pieces of a JSON array. Each of `objects` is an iterator over the pieces of one object."""
    separator = "[\n"
    for each in objects:
        yield separator
        yield from each
        separator = ",\n"
    yield "[]\n" if separator == "[\n" else "]\n"


def csv_pieces(records: Iterable[Record], keys: Sequence[str], *, is_raw: bool = False) -> Iterator[str]:
    """Yield a CSV header, then a line for each record.

    Text that a spreadsheet might run as a formula gets an apostrophe. If `is_raw`, text is unchanged, for programs that
    read the file.
    """
    head = ",".join(map(_quote, keys)) + "\n"
    for some in _batches(records):
        lines = (",".join([_cell(record[key], is_raw=is_raw) for key in keys]) for record in some)
        yield head + "\n".join(lines) + "\n"
        head = ""
    if head:
        yield head


def to_json_value(value: Value) -> str | int | list[str] | list[NestedRecord] | None:
    """Return a value as JSON stores it: money as text with two decimals, dates and times in ISO form."""
    match value:
        case Decimal():
            return f"{value:.2f}"
        case datetime() | date():
            return value.isoformat()
        case _:
            return value


def escape_formulas(text: str) -> str:
    """Return a text with an apostrophe at each place where a spreadsheet might begin a formula.

    These places are the beginning of the text, and after a separator in it: a comma, a semicolon or a tab. Quotation
    marks alone do not help: a program that separates cells by semicolons reads the marks as a part of a cell.
    """
    return _FORMULA_PATTERN.sub(r"\1'", text)


def _cell(value: Value, *, is_raw: bool) -> str:
    match value:
        case None:
            return ""
        case str():
            return _quote(value if is_raw else escape_formulas(value))
        case bool():
            return "true" if value else "false"
        case list():
            text = ",".join(map(item_text, value))
            return _quote(text if is_raw else escape_formulas(text))
        case _:
            return str(to_json_value(value))


def _quote(text: str) -> str:
    return '"{}"'.format(text.replace('"', '""')) if _QUOTED_CHARACTER_PATTERN.search(text) else text


def nested_records(value: Value) -> list[NestedRecord]:
    """Return a value that is a list of records unchanged. For any other value, return an empty list."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def item_text(value: str | NestedRecord) -> str:
    """Return an item of a list value as text. If the item is a record, its values are joined by blanks."""
    return value if isinstance(value, str) else " ".join(filter(None, value.values()))


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    """Yield lists of records. The first list has one record; each next one has twice as many, up to _PIECE_ROWS.

    So the first record is printed immediately, even if it takes long to read the second one.
    """
    rows, size = iter(records), 1
    while some := [*islice(rows, size)]:
        yield some
        size = min(2 * size, _PIECE_ROWS)
