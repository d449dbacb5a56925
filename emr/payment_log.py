"""The EMR's Payment Log as a CSV file, which the office compares with Billing."""

import contextlib
import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from typing import BinaryIO, TextIO, TypeVar

from emr.csv_table import Row, SurplusCellsError, Table, TableError, open_table
from payments.contract.days import parse_day
from payments.contract.event import ChargeType, Event, PaymentDeleted, PaymentSaved
from payments.contract.fields import is_identifier
from payments.contract.keys import ID_CHARACTERS_MAX, LineKey, LocalKey
from payments.contract.money import ZERO, Money, parse_amount
from payments.contract.payment_log import EmrLogRow, PaymentDetails

REQUIRED_COLUMNS = "clinic_id payment_id line_id transaction_date amount_paid charge_type internal_payment paid".split()
OPTIONAL_COLUMNS = ["version"]
COLUMNS = [*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS]

# Cells that a spreadsheet has changed: long numbers (1.2E+15), narrow columns (###) and errors (#N/A). Some exports
# write ="0012", so that a spreadsheet keeps the leading zeros.
_CHANGED_BY_SPREADSHEET_PATTERN = re.compile(
    r'-?\d([.,]\d+)?E[+-]\d\d+|=".*"|#+|#(N/A|REF!|VALUE!|NAME\?|DIV/0!|NUM!|NULL!)', re.ASCII | re.DOTALL
)
_NUMBER_WITH_SEPARATORS_PATTERN = re.compile(
    r"\D{0,3}(?:\d{1,3}(?:\D\d{3})+(?:\D\d{1,2})?|\d+\D\d{1,2})\D{0,3}", re.ASCII
)
_COLUMNS_WITH_SEPARATORS = {"clinic_id", "payment_id", "line_id", "amount_paid"}
_FLAG_BY_WORD = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_TYPE_BY_NAME = {kind.casefold(): kind for kind in ChargeType}
_SHOWN_CHARACTERS_MAX = 60
_Value = TypeVar("_Value")


class PaymentLogError(ValueError):
    """A Payment Log cannot be read. The message names the row, the column and the expected value."""

    def __init__(self, error: TableError) -> None:
        super().__init__(f"Payment Log, {error}")


def newest_saves(events: Iterable[Event]) -> list[PaymentSaved]:
    """Return the newest save of each line, sorted by transaction date. Deleted lines are left out."""
    newest: dict[LineKey, PaymentSaved | PaymentDeleted] = {}
    for event in events:
        if isinstance(event, PaymentSaved | PaymentDeleted):
            held = newest.get(event.key)
            if held is None or event.version > held.version:
                newest[event.key] = event
    kept = (event for event in newest.values() if isinstance(event, PaymentSaved))
    return sorted(kept, key=lambda event: (event.transaction_date, event.key))


def write_payment_log(events: Iterable[Event], file: TextIO) -> int:
    """Write the Payment Log that an EMR would export after these events. Return the number of lines."""
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    saves = newest_saves(events)
    writer.writerows([_cell_text(getattr(save, name)) for name in COLUMNS] for save in saves)
    return len(saves)


def read_payment_log(file: BinaryIO) -> Iterator[EmrLogRow]:
    """Yield the lines of a Payment Log. The file is read as described in `emr.csv_table`.

    Its columns may be in any order. Columns other than COLUMNS are ignored. A log with only a header is valid and has
    no lines. Raises PaymentLogError at the first invalid row or cell, and if a line occurs twice.
    """
    with _converting_table_errors(), open_table(file, REQUIRED_COLUMNS, OPTIONAL_COLUMNS) as table:
        for line in scan_payment_log(table):
            if isinstance(line, TableError):
                raise line
            yield line


def scan_payment_log(table: Table) -> Iterator[EmrLogRow | TableError]:
    """Yield each line of a Payment Log whose header has been read. For an invalid row, yield the error.

    A line that occurs twice is an error. If `Table.scan` cannot continue after an error, no more lines are yielded.
    """
    seen: dict[LocalKey, int] = {}
    for row in table.scan():
        line = _clearest_error(row) if isinstance(row, TableError) else _line_or_error(row)
        if isinstance(row, Row) and isinstance(line, EmrLogRow):
            if line.key in seen:
                line = row.error("line_id", f"{line.key} is already in row {seen[line.key]}")
            else:
                seen[line.key] = row.number
        yield line


@contextlib.contextmanager
def _converting_table_errors() -> Iterator[None]:
    try:
        yield
    except TableError as error:
        raise PaymentLogError(error) from None


def _line_or_error(row: Row) -> EmrLogRow | TableError:
    try:
        return _parse_line(row)
    except TableError as error:
        return error


def _clearest_error(error: TableError) -> TableError:
    """Return an error that names the divided cell, if a row has too many cells and the divided cell is known.

    Otherwise return `error` unchanged.
    """
    return (_divided_cell_error(error) if isinstance(error, SurplusCellsError) else None) or error


def _divided_cell_error(error: SurplusCellsError) -> TableError | None:
    """Return an error that names the column whose cell was divided by a separator.

    If several columns are possible, choose `amount_paid`. Returns None if the column cannot be determined.
    """
    divided = {column: cells for column, cells in error.rejoined_cells() if _may_be_divided(column, cells)}
    column = "amount_paid" if "amount_paid" in divided else next(iter(divided), "")
    if column not in REQUIRED_COLUMNS or (len(divided) > 1 and column != "amount_paid"):
        return None
    return error.divided_cell_error(column, divided[column][column])


def _may_be_divided(column: str, cells: Mapping[str, str]) -> bool:
    """Return whether a separator may have divided the cell of this column.

    This is so if the cell may contain a separator and all other cells are valid.
    """
    if column in REQUIRED_COLUMNS and column not in _COLUMNS_WITH_SEPARATORS:
        return False
    if column == "amount_paid" and not _NUMBER_WITH_SEPARATORS_PATTERN.fullmatch(cells[column]):
        return False
    return all(_is_readable(name, cells[name]) for name in REQUIRED_COLUMNS if name != column)


def _is_readable(column: str, cell: str) -> bool:
    try:
        _PARSER_BY_COLUMN[column](cell)
    except ValueError:
        return False
    return True


def _parse_line(row: Row) -> EmrLogRow:
    def read(column: str, reading: Callable[[str], _Value]) -> _Value:
        cell = row.cells.get(column, "")
        try:
            return reading(cell)
        except ValueError as error:
            raise row.error(column, f"expected {error}; got {_shorten(cell)}") from None

    key = LocalKey(*(read(column, _parse_identifier) for column in LocalKey._fields))
    day, amount = read("transaction_date", _parse_day), read("amount_paid", _parse_amount_cell)
    paid, internal = read("paid", _parse_flag), read("internal_payment", _parse_flag)
    return EmrLogRow(
        key,
        amount if paid else ZERO,
        PaymentDetails(day, read("charge_type", _parse_charge_type), internal, read("version", _parse_version)),
    )


def _shorten(cell: str) -> str:
    """Return the text of a cell for a message. A long text is shortened."""
    return repr(cell) if len(cell) <= _SHOWN_CHARACTERS_MAX else f"{cell[:_SHOWN_CHARACTERS_MAX]!r}..."


def _parse_identifier(text: str) -> str:
    """Return an id unchanged. Raises ValueError if the id is invalid, for example if it begins or ends with a blank."""
    if len(text) > ID_CHARACTERS_MAX or not is_identifier(text):
        raise ValueError("text of 1 to 64 printable characters, without white space at its ends")
    if _CHANGED_BY_SPREADSHEET_PATTERN.fullmatch(text):
        raise ValueError("the id itself, which a spreadsheet has changed (make it a column of text and export again)")
    return text


def _parse_day(text: str) -> date:
    try:
        return parse_day(text.strip())
    except ValueError:
        raise ValueError("a date such as 2026-10-05") from None


def _parse_amount_cell(text: str) -> Money:
    try:
        return parse_amount(text)
    except ValueError:
        raise ValueError("dollars such as 25.00") from None


def _parse_flag(text: str) -> bool:
    word = text.strip().casefold()
    if word not in _FLAG_BY_WORD:
        raise ValueError("true or false")
    return _FLAG_BY_WORD[word]


def _parse_charge_type(text: str) -> ChargeType:
    word = text.strip().casefold()
    if word not in _TYPE_BY_NAME:
        raise ValueError(f"one of {', '.join(ChargeType)}")
    return _TYPE_BY_NAME[word]


def _parse_version(text: str) -> int | None:
    digits = text.strip()
    if not digits:
        return None
    if not (digits.isascii() and digits.isdecimal() and len(digits) < 20 and 0 < int(digits) < 2**63):
        raise ValueError("a whole number from 1, or nothing")
    return int(digits)


_PARSER_BY_COLUMN: dict[str, Callable[[str], object]] = {
    **dict.fromkeys(LocalKey._fields, _parse_identifier),
    "transaction_date": _parse_day,
    "amount_paid": _parse_amount_cell,
    "charge_type": _parse_charge_type,
    "internal_payment": _parse_flag,
    "paid": _parse_flag,
}


def _cell_text(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)
