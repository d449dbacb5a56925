"""Read the two files of a Synthea CSV export that contain payments and patients, strictly.

An invalid row is refused with an error that names its number and column.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from sys import intern
from typing import NamedTuple

from emr.csv_table import Row, TableError, read_table
from payments.contract.days import parse_day, parse_moment
from payments.contract.money import ZERO, Money, parse_amount

TRANSACTIONS_FILE = "claims_transactions.csv"
PATIENTS_FILE = "patients.csv"
_TRANSACTION_COLUMNS = (
    "ID CLAIMID CHARGEID PATIENTID TYPE METHOD FROMDATE PLACEOFSERVICE NOTES TRANSFERTYPE PAYMENTS PROVIDERID"
).split()
_PATIENT_COLUMNS = ["Id", "BIRTHDATE", "FIRST", "LAST"]
_TRANSACTION_TYPES = {"CHARGE", "PAYMENT", "ADJUSTMENT", "TRANSFERIN", "TRANSFEROUT"}
PATIENT_OWES = "p"
_DEBTOR_BY_TRANSFER_TYPE = {"", "1", "2", PATIENT_OWES}
_TEXT_COLUMNS = {"NOTES", "FIRST", "LAST"}


class InvalidExportError(Exception):
    """The folder is not a valid Synthea CSV export. The message names the file and, if a row is invalid, the row."""

    def __init__(self, file: Path, problem: str) -> None:
        self.file = file
        super().__init__(f"{file}: {problem}")


class ClaimRow(NamedTuple):
    """A row of the claims file.

    It is a payment of `amount` dollars, or it makes `debtor` the next payer. Its fields begin with `charge_number` and
    `row_number`, because the rows of a claim are sorted by these.
    """

    charge_number: int
    row_number: int
    claim_id: str
    row_id: str
    type: str
    method: str
    debtor: str
    amount: Money
    patient_id: str
    clinic_id: str
    provider_id: str
    at: str
    notes: str


class Patient(NamedTuple):
    """A row of the file of patients."""

    row_number: int
    patient_id: str
    born: str
    name: str


def read_patients(file: Path) -> Iterator[Patient]:
    """Yield the patients of the file. Raises InvalidExportError for an invalid row or a repeated id."""
    with _converting_errors(file):
        for row in _rows(file, _PATIENT_COLUMNS):
            patient_id, born, first_name, last_name = (row.cells[column] for column in _PATIENT_COLUMNS)
            _require_valid(row, "BIRTHDATE", "a date such as 1980-02-03", is_valid=_can_parse(parse_day, born))
            yield Patient(row.number, patient_id, born, f"{first_name} {last_name}".strip())


def read_claim_rows(file: Path) -> Iterator[ClaimRow]:
    """Yield the rows of the claims file in order. Raises InvalidExportError for an invalid row or a repeated id."""
    with _converting_errors(file):
        yield from map(_parse_claim_row, _rows(file, _TRANSACTION_COLUMNS))


@contextmanager
def _converting_errors(file: Path) -> Iterator[None]:
    """Convert errors of the file or of its rows, raised in the block, to an InvalidExportError that names the file."""
    try:
        yield
    except OSError as fault:
        raise InvalidExportError(file, fault.strerror or "cannot be read") from None
    except TableError as misfit:
        raise InvalidExportError(file, str(misfit)) from None


def _rows(file: Path, columns: list[str]) -> Iterator[Row]:
    """Yield the rows of a file. The first of `columns` holds the id. Raises TableError for a repeated id."""
    rows_of_ids: dict[str, int] = {}
    with file.open("rb") as lines:
        for row in read_table(lines, columns):
            _check_surrounding_whitespace(row)
            row_id = row.cells[columns[0]]
            if row_id in rows_of_ids:
                raise row.error(columns[0], f"{row_id!r} is already in row {rows_of_ids[row_id]}")
            rows_of_ids[row_id] = row.number
            yield row


def _check_surrounding_whitespace(row: Row) -> None:
    for column, cell in row.cells.items():
        if cell != cell.strip() and column not in _TEXT_COLUMNS:
            raise row.error(column, f"expected no blanks at the ends; got {cell!r}")


def _parse_claim_row(row: Row) -> ClaimRow:
    cells = row.cells
    _require_valid(row, "ID", "an id", is_valid=bool(cells["ID"]))
    _require_valid(row, "CLAIMID", "the id of a claim", is_valid=bool(cells["CLAIMID"]))
    _require_valid(
        row, "TYPE", "one of " + ", ".join(sorted(_TRANSACTION_TYPES)), is_valid=cells["TYPE"] in _TRANSACTION_TYPES
    )
    _require_valid(
        row, "TRANSFERTYPE", "1, 2, p or nothing", is_valid=cells["TRANSFERTYPE"] in _DEBTOR_BY_TRANSFER_TYPE
    )
    is_time = _can_parse(parse_moment, cells["FROMDATE"])
    _require_valid(row, "FROMDATE", "a time such as 2026-10-05T15:00:00Z", is_valid=is_time)
    number = cells["CHARGEID"]
    _require_valid(
        row, "CHARGEID", "a whole number", is_valid=number.isascii() and number.isdecimal() and len(number) <= 18
    )
    return ClaimRow(
        charge_number=int(number),
        row_number=row.number,
        claim_id=cells["CLAIMID"],
        row_id=cells["ID"],
        type=intern(cells["TYPE"]),
        method=intern(cells["METHOD"]),
        debtor=intern(cells["TRANSFERTYPE"]),
        amount=_parse_payment(row) if cells["TYPE"] == "PAYMENT" else ZERO,
        patient_id=intern(cells["PATIENTID"]),
        clinic_id=intern(cells["PLACEOFSERVICE"]),
        provider_id=intern(cells["PROVIDERID"]),
        at=cells["FROMDATE"],
        notes=intern(cells["NOTES"]),
    )


def _parse_payment(row: Row) -> Money:
    is_valid = _can_parse(parse_amount, row.cells["PAYMENTS"])
    _require_valid(row, "PAYMENTS", "dollars such as 25.00", is_valid=is_valid)
    return parse_amount(row.cells["PAYMENTS"])


def _can_parse(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _require_valid(row: Row, column: str, expected: str, *, is_valid: bool) -> None:
    """Raise TableError about a cell if `is_valid` is False.

    The error names the column, the `expected` value and the id of the row.
    """
    if not is_valid:
        row_id = next(iter(row.cells.values()))
        raise row.error(column, f"expected {expected}; got {row.cells[column][:60]!r} (ID {row_id})")
