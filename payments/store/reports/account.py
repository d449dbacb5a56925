"""A patient's account: its sums, the allocations between payments and charges, and the sums of these by payment."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from payments.contract.money import Money
from payments.core import refund
from payments.core.refund import AccountLine
from payments.store.db.as_of import as_of_query
from payments.store.db.connection import Transaction
from payments.store.db.statement import text


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A patient's account in dollars: all payments, their unassigned part, and what the patient still owes.

    `balance` adds up what is owed for each charge. A charge that the patient overpaid does not reduce what is owed for
    others: `credit` adds those up.
    """

    patient: str
    payments_total: Money
    unassigned: Money
    balance: Money
    company: str
    credit: Money


class AllocationRow(NamedTuple):
    """An amount in dollars that a payment was applied to a charge, or unapplied (negative)."""

    company: str
    payment: str
    charge: str
    date_of_service: date
    amount: Money
    rule: str
    distribution_date: date


class RefundRow(NamedTuple):
    """A refund that no payment of its account covers: `amount` and the `uncovered` part in dollars, and why."""

    company: str
    payment: str
    refund_of: str
    amount: Money
    uncovered: Money
    problem: str


class AppliedRow(NamedTuple):
    """The amount in dollars of a payment that is applied to a charge."""

    payment: str
    charge: str
    date_of_service: date
    amount: Money


_OF_CLINICS = "AND (CAST(:clinics AS text[]) IS NULL OR {}.clinic_id = ANY(:clinics))"
# What is owed for a charge: its balance and the paid part that the balance has deducted, less what is applied to it.
# Until a distribution has determined the paid part, it is what is applied.
_CHARGED = """
LATERAL (SELECT coalesce(sum(greatest(owed, 0.00)), 0.00) AS balance,
    coalesce(sum(greatest(-owed, 0.00)), 0.00) AS credit, count(*) AS count
FROM (SELECT patient_balance + coalesce(patient_paid - coalesce(applied, 0.00), 0.00) AS owed
    FROM charges LEFT JOIN (SELECT clinic_id, charge_id, sum(amount) AS applied FROM allocations
        WHERE allocations.company_id = patients.company_id AND allocations.patient_id = patients.patient_id
        GROUP BY 1, 2) AS moved USING (clinic_id, charge_id)
    WHERE charges.company_id = patients.company_id AND charges.patient_id = patients.patient_id {}) AS owing)
"""
_PAYMENT_KEY = "lines.clinic_id || '/' || lines.payment_id || '/' || lines.line_id"
_CHARGE_KEY = "allocations.clinic_id || '/' || charge_id"


def summaries(
    tx: Transaction, patient_id: str, clinics: Sequence[str] | None = None, as_of: datetime | None = None
) -> list[AccountRow]:
    """Return the accounts of a patient, as they are now or as they were at `as_of`.

    There is one account, unless several companies use the id. With `clinics`, an account has the payments and charges
    of these clinics only; it is left out if they have sent no payment or charge of the patient.
    """
    sums = (
        "LATERAL (SELECT coalesce(sum({0}), 0.00) AS total, count(*) AS count FROM {1} "
        "WHERE {1}.company_id = patients.company_id AND {1}.patient_id = patients.patient_id {2})"
    )
    paid = sums.format("amount", "entries", _OF_CLINICS.format("entries"))
    charged = _CHARGED.format(_OF_CLINICS.format("charges"))
    of_payment = f"AND line_ref IN (SELECT id FROM lines WHERE true {_OF_CLINICS.format('lines')})"
    applied = sums.format("amount", "allocations", "" if clinics is None else of_payment)
    query = (
        "SELECT patients.patient_id AS patient, paid.total AS payments_total, "
        "paid.total - applied.total AS unassigned, charged.balance, company_id AS company, charged.credit "
        f"FROM patients, {paid} AS paid, {charged} AS charged, {applied} AS applied "
        "WHERE patients.patient_id = :patient_id "
        "AND (CAST(:clinics AS text[]) IS NULL OR paid.count + charged.count > 0 OR EXISTS (SELECT FROM lines "
        "WHERE lines.company_id = patients.company_id AND lines.patient_id = patients.patient_id "
        "AND lines.clinic_id = ANY(:clinics))) ORDER BY company_id"
    )
    statement = as_of_query(as_of, "patients entries charges allocations lines", query)
    found = tx.execute(text(statement), _parameters(patient_id, clinics, as_of))
    return [AccountRow(**row) for row in found.mappings()]


def allocations(
    tx: Transaction, patient_id: str, clinics: Sequence[str] | None = None, as_of: datetime | None = None
) -> list[AllocationRow]:
    """Return what was applied and unapplied on a patient's accounts, in order; with `clinics`, of their payments."""
    query = (
        f"SELECT allocations.company_id AS company, {_PAYMENT_KEY} AS payment, {_CHARGE_KEY} AS charge, "
        "charges.date_of_service, allocations.amount, rule, distribution_date "
        "FROM allocations JOIN charges USING (clinic_id, charge_id) JOIN lines ON lines.id = line_ref "
        f"WHERE allocations.patient_id = :patient_id {_OF_CLINICS.format('lines')} ORDER BY allocations.id"
    )
    statement = as_of_query(as_of, "charges allocations lines", query)
    found = tx.execute(text(statement), _parameters(patient_id, clinics, as_of))
    return [AllocationRow(**row) for row in found.mappings()]


def applied_to(tx: Transaction, patient_id: str | None, as_of: datetime | None = None) -> list[AppliedRow]:
    """Return how much of each payment is applied to each charge, with its date of service.

    `patient_id` None means all patients.
    """
    query = (
        f"SELECT {_PAYMENT_KEY} AS payment, {_CHARGE_KEY} AS charge, charges.date_of_service, "
        "sum(allocations.amount) AS amount "
        "FROM allocations JOIN charges USING (clinic_id, charge_id) JOIN lines ON lines.id = line_ref "
        "WHERE CAST(:patient_id AS text) IS NULL OR allocations.patient_id = :patient_id "
        "GROUP BY 1, 2, 3 HAVING sum(allocations.amount) <> 0 ORDER BY 1, 3, 2"
    )
    statement = as_of_query(as_of, "charges allocations lines", query)
    found = tx.execute(text(statement), {"patient_id": patient_id, "as_of": as_of})
    return [AppliedRow(**row) for row in found.mappings()]


def refunds_to_check(
    tx: Transaction, account: AccountRow, clinics: Sequence[str] | None = None, as_of: datetime | None = None
) -> list[RefundRow]:
    """Return the refunds of an account that no payment of it covers; with `clinics`, of these clinics only."""
    # The refunds of the account and the lines that they name, in the order in which they are distributed.
    query = (
        "WITH posted AS MATERIALIZED ("
        f"SELECT line_ref, {_PAYMENT_KEY} AS payment, lines.refund_of, sum(entries.amount) AS amount, "
        f"min(deposit_date) AS first_day, min(entries.id) AS first_id, bool_and(true {_OF_CLINICS.format('lines')}) "
        "AS is_visible FROM entries JOIN lines ON lines.id = line_ref "
        "WHERE entries.company_id = :company_id AND entries.patient_id = :patient_id GROUP BY 1, 2, 3) "
        "SELECT line_ref, payment, refund_of, amount, is_visible FROM posted WHERE refund_of IS NOT NULL "
        "OR payment IN (SELECT refund_of FROM posted) ORDER BY first_day, first_id"
    )
    statement = as_of_query(as_of, "entries lines", query)
    found = tx.execute(text(statement), _parameters(account.patient, clinics, as_of) | {"company_id": account.company})
    rows = {row.line_ref: row for row in found}
    refunds = refund.refunds_to_check(
        [AccountLine(row.line_ref, row.payment, row.refund_of, row.amount) for row in rows.values()]
    )
    return [
        RefundRow(account.company, each.key, each.refund_of or "", each.amount, uncovered, problem)
        for each, problem, uncovered in refunds
        if rows[each.line_ref].is_visible
    ]


def _parameters(patient_id: str, clinics: Sequence[str] | None, as_of: datetime | None) -> dict[str, object]:
    return {"patient_id": patient_id, "clinics": None if clinics is None else list(clinics), "as_of": as_of}
