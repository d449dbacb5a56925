"""Events from the patient payments of a Synthea CSV export.

In `claims_transactions.csv`, the rows of a claim are ordered by CHARGEID. A CHARGE names the first debtor, and a
TRANSFERIN the next one (TRANSFERTYPE: 1 and 2 are insurers, p is the patient). The patient made a PAYMENT if its METHOD
is COPAY, which is collected at the visit, or if the patient is the debtor at this row.

The export has no column for the charge type, so the charge type is derived from the debtors. A PAYMENT by COPAY is a
Copay. A payment of a charge that an insurer owed first is Coinsurance. (It may be a deductible, but the export does not
say so.) A payment of a charge that the patient owed from the start is Other.

A PAYMENT of 0.00 is skipped, because a front desk records no such payment.

A damaged export is refused as a whole: everything is read and validated before the first event is built. The patients
are read again when their events are built, so that only their ids are in memory.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, cast

from emr.client import body_of, event_id_for
from emr.synthea_files import (
    PATIENT_OWES,
    PATIENTS_FILE,
    TRANSACTIONS_FILE,
    ClaimRow,
    InvalidExportError,
    read_claim_rows,
    read_patients,
)
from payments.contract.errors import EventError
from payments.contract.event import ChargeType, Event, Method, PatientSaved, PaymentSaved, read_event
from payments.contract.money import Money, total

COMPANY_DEFAULT = "synthea"
# COPAY says when the money was taken, not how. ECHECK is a transfer between accounts.
_METHOD_BY_CODE = {"CASH": Method.CASH, "CHECK": Method.CHECK, "CC": Method.CREDIT_CARD, "ECHECK": Method.EFT}


class _PatientPayment(NamedTuple):
    row: ClaimRow
    charge_type: ChargeType


@dataclass(frozen=True)
class SyntheaExport:
    """The patient payments of one export. The events are built when they are iterated."""

    company_id: str
    clinics: tuple[str, ...]
    payment_count: int
    payments_total: Money
    _folder: Path = field(repr=False)
    _payments: tuple[_PatientPayment, ...] = field(repr=False)

    def patients(self) -> Iterator[PatientSaved]:
        """Yield an event for each patient. The save time is the birth, because the export has no other time.

        Raises InvalidExportError at an invalid row.
        """
        return _patients(self._folder / PATIENTS_FILE, self.company_id)

    def payments(self) -> Iterator[PaymentSaved]:
        """Yield an event for each patient payment, claim by claim. The dates are those of the export's rows.

        Raises InvalidExportError at an invalid row.
        """
        file = self._folder / TRANSACTIONS_FILE
        return (_payment_event(file, self.company_id, payment) for payment in self._payments)


def read_export(folder: Path, company_id: str = COMPANY_DEFAULT) -> SyntheaExport:
    """Read and validate the export in a folder. All its clinics are assigned to one company.

    Raises InvalidExportError if a file or column is missing, and for the first invalid row. A row is invalid if it does
    not match its header, repeats an id, names an unknown patient or another patient than its claim, or violates the
    event contract.
    """
    transactions = folder / TRANSACTIONS_FILE
    claims, rows_of_patients = _claims(transactions)
    payments = tuple(payment for claim in claims.values() for payment in _patient_payments(transactions, claim))
    patients = {patient.patient_id for patient in _patients(folder / PATIENTS_FILE, company_id)}
    for patient_id, row in rows_of_patients.items():
        if patient_id not in patients:
            raise InvalidExportError(
                transactions, f"row {row}, column PATIENTID: {patient_id!r} is not in {PATIENTS_FILE}"
            )
    for claim in claims.values():
        _check_patient(transactions, claim)
    for payment in payments:
        _payment_event(transactions, company_id, payment)
    return SyntheaExport(
        company_id=company_id,
        clinics=tuple(dict.fromkeys(row.clinic_id for row, _ in payments)),
        payment_count=len(payments),
        payments_total=total(row.amount for row, _ in payments),
        _folder=folder,
        _payments=payments,
    )


def _patients(file: Path, company_id: str) -> Iterator[PatientSaved]:
    for patient in read_patients(file):
        keys = {
            "type": "patient.saved",
            "event_id": event_id_for("patient.saved", company_id, patient.patient_id, version=1),
            "company_id": company_id,
            "patient_id": patient.patient_id,
            "saved_at": f"{patient.born}T00:00:00Z",
            "name": patient.name,
        }
        yield cast("PatientSaved", _make_event(file, patient.row_number, patient.patient_id, keys))


def _claims(file: Path) -> tuple[Mapping[str, list[ClaimRow]], dict[str, int]]:
    """Return the rows of each claim, and the first row of each patient.

    Rows of different claims are interleaved, so all rows of a claim are collected before the claim is processed. Raises
    InvalidExportError at an invalid row.
    """
    claims: dict[str, list[ClaimRow]] = defaultdict(list)
    rows_of_patients: dict[str, int] = {}
    for row in read_claim_rows(file):
        rows_of_patients.setdefault(row.patient_id, row.row_number)
        if row.type in {"CHARGE", "TRANSFERIN", "PAYMENT"}:
            claims[row.claim_id].append(row)
    return claims, rows_of_patients


def _check_patient(file: Path, claim: list[ClaimRow]) -> None:
    """Check that all rows of a claim name the same patient. Otherwise raises InvalidExportError.

    Without this check, a payment of one patient could belong to a charge of another patient.
    """
    first = claim[0]
    for row in claim:
        if row.patient_id != first.patient_id:
            problem = f"claim {row.claim_id} has the patient {first.patient_id!r} in row {first.row_number}"
            got = f"got {row.patient_id!r} (ID {row.row_id})"
            raise InvalidExportError(file, f"row {row.row_number}, column PATIENTID: {problem}; {got}")


def _patient_payments(file: Path, claim: list[ClaimRow]) -> Iterator[_PatientPayment]:
    debtor = charged_debtor = ""
    for row in sorted(claim):
        if row.type != "PAYMENT":
            debtor = row.debtor or debtor
            charged_debtor = row.debtor if row.debtor and row.type == "CHARGE" else charged_debtor
        elif row.amount and (row.method == "COPAY" or _required_debtor(file, row, debtor) == PATIENT_OWES):
            yield _PatientPayment(row, _charge_type(row, charged_debtor))


def _required_debtor(file: Path, row: ClaimRow, debtor: str) -> str:
    """Return `debtor` unchanged. If it is empty, no CHARGE precedes the payment: raises InvalidExportError."""
    if not debtor:
        raise InvalidExportError(
            file, f"row {row.row_number}, column CLAIMID: no CHARGE before this PAYMENT (ID {row.row_id})"
        )
    return debtor


def _charge_type(row: ClaimRow, charged_debtor: str) -> ChargeType:
    if row.method == "COPAY":
        return ChargeType.COPAY
    return ChargeType.OTHER if charged_debtor == PATIENT_OWES else ChargeType.COINSURANCE


def _payment_event(file: Path, company_id: str, payment: _PatientPayment) -> PaymentSaved:
    row, line_id = payment.row, "1"
    keys = {
        "type": "payment.saved",
        "event_id": event_id_for("payment.saved", row.clinic_id, row.row_id, line_id, version=1),
        "company_id": company_id,
        "clinic_id": row.clinic_id,
        "patient_id": row.patient_id,
        "payment_id": row.row_id,
        "line_id": line_id,
        "saved_at": row.at,
        "charge_type": payment.charge_type,
        "amount_due": row.amount,
        "amount_paid": row.amount,
        "paid": True,
        "internal_payment": False,
        "method": _METHOD_BY_CODE.get(row.method, Method.OTHER),
        "transaction_date": row.at[:10],
        "date_of_service": row.at[:10],
        "provider_id": row.provider_id,
        "memo": row.notes or None,
    }
    return cast("PaymentSaved", _make_event(file, row.row_number, row.row_id, keys))


def _make_event(file: Path, row: int, row_id: str, keys: Mapping[str, object]) -> Event:
    try:
        return read_event(body_of({"schema": 1, "version": 1, **keys}))
    except EventError as refused:
        raise InvalidExportError(file, f"row {row} (ID {row_id}): {refused}") from None
