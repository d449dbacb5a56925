"""What people read of a patient's account: its sums, what was applied and given back, what each payment went to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from payments.contract.money import Money
from payments.store.db.as_of import as_of_query
from payments.store.db.connection import Transaction
from payments.store.db.statement import text


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A patient's account in dollars: all payments, what of them is unassigned, and what the patient still owes."""

    patient: str
    payments_total: Money
    unassigned: Money
    balance: Money
    company: str


class MovementRow(NamedTuple):
    """Money of a payment that went to a charge or came back (negative), in dollars."""

    company: str
    payment: str
    charge: str
    date_of_service: date
    amount: Money
    rule: str
    distribution_date: date


class AppliedRow(NamedTuple):
    """What of a payment is applied to a charge, in dollars."""

    payment: str
    charge: str
    date_of_service: date
    amount: Money


_OF_CLINICS = "AND (CAST(:clinics AS text[]) IS NULL OR {}.clinic_id = ANY(:clinics))"


def summaries(
    tx: Transaction, patient_id: str, clinics: Sequence[str] | None = None, as_of: datetime | None = None
) -> list[AccountRow]:
    """Return the accounts of a patient, as they are or as they were known at a moment.

    There is one, unless companies use the same id for different people. Where clinics are given, an account is what
    belongs to them alone, and is left out if nothing does.
    """
    sums = (
        "LATERAL (SELECT coalesce(sum({0}), 0.00) AS total, count(*) AS number FROM {1} "
        "WHERE {1}.company_id = patients.company_id AND {1}.patient_id = patients.patient_id {2})"
    )
    paid = sums.format("amount", "entries", _OF_CLINICS.format("entries"))
    owed = sums.format("patient_balance", "charges", _OF_CLINICS.format("charges"))
    of_payment = f"AND line_ref IN (SELECT id FROM lines WHERE true {_OF_CLINICS.format('lines')})"
    given = sums.format("amount", "allocations", "" if clinics is None else of_payment)
    taken = sums.format("amount", "allocations", _OF_CLINICS.format("allocations"))
    query = (
        "SELECT patients.patient_id, paid.total, paid.total - given.total, owed.total - taken.total, company_id "
        f"FROM patients, {paid} AS paid, {owed} AS owed, {given} AS given, {taken} AS taken "
        "WHERE patients.patient_id = :patient_id "
        "AND (CAST(:clinics AS text[]) IS NULL OR paid.number + owed.number > 0) ORDER BY company_id"
    )
    known = as_of_query(as_of, "patients entries charges allocations lines", query)
    return [AccountRow(*row) for row in tx.execute(text(known), _parameters(patient_id, clinics, as_of))]


def movements(
    tx: Transaction, patient_id: str, clinics: Sequence[str] | None = None, as_of: datetime | None = None
) -> list[MovementRow]:
    """Return what was applied and given back on a patient's accounts, in order; of these clinics' payments alone."""
    query = (
        "SELECT allocations.company_id, lines.clinic_id || '/' || lines.payment_id || '/' || lines.line_id, "
        "allocations.clinic_id || '/' || charge_id, charges.date_of_service, allocations.amount, rule, "
        "distribution_date "
        "FROM allocations JOIN charges USING (clinic_id, charge_id) JOIN lines ON lines.id = line_ref "
        f"WHERE allocations.patient_id = :patient_id {_OF_CLINICS.format('lines')} ORDER BY allocations.id"
    )
    known = as_of_query(as_of, "charges allocations lines", query)
    return [MovementRow(*row) for row in tx.execute(text(known), _parameters(patient_id, clinics, as_of))]


def applied_to(tx: Transaction, patient_id: str | None, as_of: datetime | None = None) -> list[AppliedRow]:
    """Return what payments are applied to, of one patient or of all, by date of service."""
    query = (
        "SELECT lines.clinic_id || '/' || lines.payment_id || '/' || lines.line_id, "
        "allocations.clinic_id || '/' || charge_id, charges.date_of_service, sum(allocations.amount) "
        "FROM allocations JOIN charges USING (clinic_id, charge_id) JOIN lines ON lines.id = line_ref "
        "WHERE CAST(:patient_id AS text) IS NULL OR allocations.patient_id = :patient_id "
        "GROUP BY 1, 2, 3 HAVING sum(allocations.amount) <> 0 ORDER BY 1, 3, 2"
    )
    known = as_of_query(as_of, "charges allocations lines", query)
    found = tx.execute(text(known), {"patient_id": patient_id, "as_of": as_of})
    return [AppliedRow(*row) for row in found]


def _parameters(patient_id: str, clinics: Sequence[str] | None, as_of: datetime | None) -> dict[str, object]:
    return {"patient_id": patient_id, "clinics": None if clinics is None else list(clinics), "as_of": as_of}
