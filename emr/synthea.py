"""Events from the patient payments of a Synthea CSV export.

In `claims_transactions.csv`, the rows of a claim are ordered by CHARGEID. A CHARGE names the first debtor and a
TRANSFERIN the next one (TRANSFERTYPE: 1 and 2 are insurers, p is the patient). A PAYMENT is the patient's if its METHOD
is COPAY, which is taken at the visit, or if the patient is the debtor at that row.

The export has no column for the charge type, so it follows from the debtors. COPAY is a Copay. A payment of a charge
that an insurer owed first is Coinsurance (it may be a deductible; the export cannot tell). A payment of a charge that
the patient owed from the start is Other.

A PAYMENT of 0.00 is skipped, because a front desk records none.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from sys import intern
from typing import NamedTuple

from pydantic import ValidationError

from emr.client import event_id_for
from payments.contract.event import ChargeType, Method, PatientSaved, PaymentSaved
from payments.contract.money import ZERO, Money, dollars, total

COMPANY_DEFAULT = "synthea"
TRANSACTIONS_FILE = "claims_transactions.csv"
PATIENTS_FILE = "patients.csv"
_TRANSACTION_COLUMNS = (
    "ID CLAIMID CHARGEID PATIENTID TYPE METHOD FROMDATE PLACEOFSERVICE NOTES TRANSFERTYPE PAYMENTS PROVIDERID"
).split()
_PATIENT_COLUMNS = ["Id", "BIRTHDATE", "FIRST", "LAST"]
_PATIENT_OWES = "p"
# COPAY says when the money was taken, not how. ECHECK is a transfer between accounts.
_METHODS = {"CASH": Method.CASH, "CHECK": Method.CHECK, "CC": Method.CREDIT_CARD, "ECHECK": Method.EFT}


class ExportError(Exception):
    """The folder is not a readable Synthea CSV export."""

    def __init__(self, file: Path, problem: str) -> None:
        self.file = file
        super().__init__(f"{file}: {problem}")


class _Step(NamedTuple):
    """A row of a claim: the responsibility moves to another payer (`debtor`), or a payment of `amount` dollars."""

    number: int
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


class _PatientPayment(NamedTuple):
    step: _Step
    charge_type: ChargeType


@dataclass(frozen=True)
class SyntheaExport:
    """The patient payments of one export. Events are built on demand."""

    company_id: str
    clinics: tuple[str, ...]
    payment_count: int
    payments_total: Money
    _folder: Path = field(repr=False)
    _payments: tuple[_PatientPayment, ...] = field(repr=False)
    _patients: tuple[tuple[str, ...], ...] = field(repr=False)  # names do not belong in logs

    def patients(self) -> Iterator[PatientSaved]:
        """Yield a record for each patient, saved on the day of birth because the export has no other time.

        Raises ExportError for a row that does not fit the event contract.
        """
        for patient_id, born, first_name, last_name in self._patients:
            try:
                yield PatientSaved.model_validate(
                    {
                        "schema": 1,
                        "type": "patient.saved",
                        "event_id": event_id_for("patient.saved", self.company_id, patient_id, version=1),
                        "company_id": self.company_id,
                        "patient_id": patient_id,
                        "version": 1,
                        "saved_at": f"{born}T00:00:00Z",
                        "name": f"{first_name} {last_name}".strip(),
                    }
                )
            except ValidationError as refused:
                raise _row_error(self._folder / PATIENTS_FILE, patient_id, refused) from None

    def payments(self) -> Iterator[PaymentSaved]:
        """Yield each patient payment as a line, claim by claim, with the dates of the export.

        Raises ExportError for a row that does not fit the event contract.
        """
        for step, charge_type in self._payments:
            try:
                yield _payment_event(self.company_id, step, charge_type)
            except ValidationError as refused:
                raise _row_error(self._folder / TRANSACTIONS_FILE, step.row_id, refused) from None


def read_export(folder: Path, company_id: str = COMPANY_DEFAULT) -> SyntheaExport:
    """Read the export in a folder. All its clinics are assigned to one company.

    Raises ExportError, naming the file, for a missing file or column and for an unreadable number.
    """
    payments = tuple(_patient_payments(_claims(folder / TRANSACTIONS_FILE)))
    patients = _rows(folder / PATIENTS_FILE, _PATIENT_COLUMNS)
    return SyntheaExport(
        company_id=company_id,
        clinics=tuple(dict.fromkeys(step.clinic_id for step, _ in payments)),
        payment_count=len(payments),
        payments_total=total(step.amount for step, _ in payments),
        _folder=folder,
        _payments=payments,
        _patients=tuple(tuple(row[column] for column in _PATIENT_COLUMNS) for row in patients),
    )


def _rows(file: Path, columns: Iterable[str]) -> Iterator[Mapping[str, str]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, restval="")
            if missing := [column for column in columns if column not in (reader.fieldnames or ())]:
                raise ExportError(file, f"no column {', '.join(missing)}")
            yield from reader
    except OSError as fault:
        raise ExportError(file, fault.strerror or "cannot be read") from None
    except (UnicodeDecodeError, csv.Error) as fault:
        raise ExportError(file, f"not a CSV file in UTF-8: {fault}") from None


def _claims(file: Path) -> Iterable[list[_Step]]:
    # Rows of different claims are interleaved, so each claim is collected before it is processed.
    claims: dict[str, list[_Step]] = defaultdict(list)
    for row in _rows(file, _TRANSACTION_COLUMNS):
        if row["TYPE"] in {"CHARGE", "TRANSFERIN", "PAYMENT"}:
            claims[row["CLAIMID"]].append(_step(file, row))
    return claims.values()


def _step(file: Path, row: Mapping[str, str]) -> _Step:
    try:
        return _Step(
            number=int(row["CHARGEID"]),
            row_id=row["ID"],
            type=intern(row["TYPE"]),
            method=intern(row["METHOD"]),
            debtor=intern(row["TRANSFERTYPE"]),
            amount=dollars(Decimal(row["PAYMENTS"])) if row["TYPE"] == "PAYMENT" else ZERO,
            patient_id=intern(row["PATIENTID"]),
            clinic_id=intern(row["PLACEOFSERVICE"]),
            provider_id=intern(row["PROVIDERID"]),
            at=row["FROMDATE"],
            notes=intern(row["NOTES"]),
        )
    except InvalidOperation:
        raise ExportError(file, f"row {row['ID']}: PAYMENTS is not an amount: {row['PAYMENTS']!r}") from None
    except ValueError as fault:
        raise ExportError(file, f"row {row['ID']}: {fault}") from None


def _patient_payments(claims: Iterable[list[_Step]]) -> Iterator[_PatientPayment]:
    for claim in claims:
        debtor = first_debtor = ""
        for step in sorted(claim):
            if step.type == "PAYMENT":
                if step.amount and (step.method == "COPAY" or debtor == _PATIENT_OWES):
                    yield _PatientPayment(step, _charge_type(step, first_debtor))
            elif step.debtor:
                debtor = step.debtor
                first_debtor = step.debtor if step.type == "CHARGE" else first_debtor


def _charge_type(step: _Step, first_debtor: str) -> ChargeType:
    if step.method == "COPAY":
        return ChargeType.COPAY
    return ChargeType.OTHER if first_debtor == _PATIENT_OWES else ChargeType.COINSURANCE


def _payment_event(company_id: str, step: _Step, charge_type: ChargeType) -> PaymentSaved:
    line_id = "1"
    return PaymentSaved.model_validate(
        {
            "schema": 1,
            "type": "payment.saved",
            "event_id": event_id_for("payment.saved", step.clinic_id, step.row_id, line_id, version=1),
            "company_id": company_id,
            "clinic_id": step.clinic_id,
            "patient_id": step.patient_id,
            "payment_id": step.row_id,
            "line_id": line_id,
            "version": 1,
            "saved_at": step.at,
            "charge_type": charge_type,
            "amount_due": f"{step.amount:f}",
            "amount_paid": f"{step.amount:f}",
            "paid": True,
            "internal_payment": False,
            "method": _METHODS.get(step.method, Method.OTHER),
            "transaction_date": step.at[:10],
            "date_of_service": step.at[:10],
            "provider_id": step.provider_id,
            "memo": step.notes or None,
        }
    )


def _row_error(file: Path, row_id: str, refused: ValidationError) -> ExportError:
    error = refused.errors(include_url=False)[0]
    return ExportError(file, f"row {row_id}: {'.'.join(map(str, error['loc']))} does not fit the event contract")
