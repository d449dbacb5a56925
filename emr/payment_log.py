"""The EMR's Payment Log as a CSV file, which the office compares with Billing."""

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import date
from decimal import Decimal
from typing import TextIO, TypeVar

from payments.contract.event import ChargeType, Event, LineKey, PaymentDeleted, PaymentSaved
from payments.contract.money import ZERO, Money, dollars
from payments.contract.payment_log import PaymentDetails, PaymentLogRow

REQUIRED = "clinic_id payment_id line_id transaction_date amount_paid charge_type internal_payment paid".split()
COLUMNS = [*REQUIRED, "version"]

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_AMOUNT = re.compile(r"-?\d{1,10}(\.\d{1,2})?", re.ASCII)
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_TYPES = {kind.casefold(): kind for kind in ChargeType}
_Read = TypeVar("_Read")


class PaymentLogError(ValueError):
    """A Payment Log cannot be read. The message names the row, the column and the expected value."""

    def __init__(self, row: int, column: str, problem: str) -> None:
        self.row, self.column = row, column
        super().__init__(f"Payment Log, row {row}, column {column}: {problem}")


def newest_saves(events: Iterable[Event]) -> list[PaymentSaved]:
    """Return the lines that the EMR holds after these events, by transaction date, without deleted lines."""
    newest: dict[LineKey, PaymentSaved | PaymentDeleted] = {}
    for event in events:
        if isinstance(event, PaymentSaved | PaymentDeleted):
            held = newest.get(event.key)
            if held is None or event.version > held.version:
                newest[event.key] = event
    kept = (event for event in newest.values() if isinstance(event, PaymentSaved))
    return sorted(kept, key=lambda event: (event.transaction_date, event.key))


def write_payment_log(events: Iterable[Event], file: TextIO) -> int:
    """Write the Payment Log that the EMR would export after these events, and return the number of lines."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    saves = newest_saves(events)
    writer.writerows([_cell(getattr(save, name)) for name in COLUMNS] for save in saves)
    return len(saves)


def read_payment_log(file: TextIO) -> Iterator[PaymentLogRow]:
    """Yield the lines of a Payment Log. Column names are matched in any case and order; extra columns are ignored.

    Raises PaymentLogError at the first unreadable cell, and if a line occurs twice.
    """
    seen: dict[LineKey, int] = {}
    for number, row in _rows(file):
        line = _line(number, row)
        if line.key in seen:
            raise PaymentLogError(number, "line_id", f"{line.key} is already in row {seen[line.key]}")
        seen[line.key] = number
        yield line


def _rows(file: TextIO) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(file)
    try:
        header = [name.strip().casefold().replace(" ", "_") for name in next(reader, [])]
        for name in REQUIRED:
            if name not in header:
                raise PaymentLogError(1, name, f"missing; expected a header with {', '.join(REQUIRED)}")
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, dict(zip(header, map(str.strip, cells), strict=False))
    except UnicodeDecodeError as error:
        raise PaymentLogError(reader.line_num + 1, REQUIRED[0], f"byte {error.start} is not UTF-8") from None
    except csv.Error as error:
        raise PaymentLogError(reader.line_num, REQUIRED[0], f"not a row of a CSV file: {error}") from None


def _line(number: int, row: dict[str, str]) -> PaymentLogRow:
    def read(column: str, reading: Callable[[str], _Read]) -> _Read:
        try:
            return reading(row.get(column, ""))
        except ValueError as error:
            raise PaymentLogError(number, column, f"expected {error}; got {row.get(column, '')!r}") from None

    key = LineKey(*(read(column, _identifier) for column in LineKey._fields))
    day, amount = read("transaction_date", _day), read("amount_paid", _amount)
    paid, internal = read("paid", _flag), read("internal_payment", _flag)
    return PaymentLogRow(
        key,
        amount if paid else ZERO,
        PaymentDetails(day, read("charge_type", _charge_type), internal, read("version", _version)),
    )


def _identifier(text: str) -> str:
    if not (0 < len(text) <= 64 and text.isprintable()):
        raise ValueError("text of 1 to 64 printable characters")
    return text


def _day(text: str) -> date:
    try:
        if _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise ValueError("a date such as 2026-10-05")


def _amount(text: str) -> Money:
    if not _AMOUNT.fullmatch(text):
        raise ValueError("dollars such as 25.00")
    return dollars(Decimal(text))


def _flag(text: str) -> bool:
    if text.casefold() not in _FLAGS:
        raise ValueError("true or false")
    return _FLAGS[text.casefold()]


def _charge_type(text: str) -> ChargeType:
    if text.casefold() not in _TYPES:
        raise ValueError(f"one of {', '.join(ChargeType)}")
    return _TYPES[text.casefold()]


def _version(text: str) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and 0 < int(text) < 2**63):
        raise ValueError("a whole number from 1, or nothing")
    return int(text)


def _cell(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)
