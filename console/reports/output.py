"""Writes records as JSON and CSV."""

import csv
import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import TextIO

NestedRecord = Mapping[str, str | None]
Value = str | int | Decimal | date | list[str] | list[NestedRecord] | None
Record = Mapping[str, Value]

_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
# A spreadsheet runs a cell that starts with one of these as a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


class OutputFormat(StrEnum):
    """The formats of a report on the command line."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def as_json(records: Sequence[Record], keys: Sequence[str]) -> str:
    """Return one JSON array, an object a line: money as text with two decimals, moments with their offset."""
    rows = (json.dumps({key: plain(record[key]) for key in keys}, ensure_ascii=False) for record in records)
    lines = ",\n".join(rows)
    return f"[\n{lines}\n]\n" if lines else "[]\n"


def print_json(value: object) -> None:
    """Print a nested value as JSON, with money and dates written as in the reports."""
    sys.stdout.write(json.dumps(value, default=plain, ensure_ascii=False, indent=1) + "\n")


def write_csv(records: Iterable[Record], keys: Sequence[str], file: TextIO | None = None) -> None:
    """Write a header and a line a record to the standard output, or to a file."""
    writer = csv.writer(file or sys.stdout, lineterminator="\n")
    writer.writerow(keys)
    writer.writerows([_cell(record[key]) for key in keys] for record in records)


def plain(value: Value) -> str | int | list[str] | list[NestedRecord] | None:
    """Return a value as JSON has it: money as text with two decimals, dates and moments in ISO form."""
    match value:
        case Decimal():
            return f"{value:.2f}"
        case datetime() | date():
            return value.isoformat()
        case _:
            return value


def _cell(value: Value) -> str:
    written = plain(value)
    match written:
        case None:
            return ""
        case bool():
            return "true" if written else "false"
        case list():
            return _harmless(",".join(map(part_written, written)))
        case _:
            return _harmless(str(written))


def nested_records(value: Value) -> list[NestedRecord]:
    """Return the records in a list; an empty list for any other value."""
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def part_written(value: str | NestedRecord) -> str:
    """Return a part of a list as one text."""
    return value if isinstance(value, str) else " ".join(filter(None, value.values()))


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA_STARTS) and not _NUMBER.fullmatch(text) else text
