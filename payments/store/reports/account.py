"""A patient's account: its sums, its allocations between payments and charges, and the applied amounts by payment."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

from payments.contract.money import Money
from payments.core import refund
from payments.core.refund import AccountLine
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.as_of import as_of_query
from payments.store.db.conditions import company_in_scope, in_scope, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.line_entries import ACTIVE_LINK
from payments.store.db.printed_key import printed_key
from payments.store.db.statement import text
from payments.store.db.streaming import disable_nested_loops, read_batches
from payments.store.reports.applied_amounts import CHARGE_KEY, charges_of


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A patient's account in dollars: all payments, their unassigned part, and the amount that the patient still owes.

    `balance` is the sum of the amounts owed for each charge. `credit` is the sum of the amounts by which charges are
    overpaid, which `balance` does not deduct. `patient_name` is the current name, None if the EMR has not sent it.
    """

    patient: str
    payments_total: Money
    unassigned: Money
    balance: Money
    company: str
    credit: Money
    patient_name: str | None


class AllocationRow(NamedTuple):
    """An amount of a payment, in dollars, that was applied to a charge. A negative amount was unapplied.

    `payment` is None if the money was that of a manual entry without a payment. `entry` is then the id of that entry.
    """

    company: str
    payment: str | None
    charge: str
    date_of_service: date
    amount: Money
    rule: str
    distribution_date: date
    entry: int | None = None


class RefundRow(NamedTuple):
    """A refund whose payment is not on the account, or is smaller than the refund.

    `amount` is the refund. `uncovered` is the part of the refund that exceeds the payment. Both are in dollars.
    `problem` is the code of a RefundProblem.
    """

    company: str
    payment: str
    refund_of: str
    amount: Money
    uncovered: Money
    problem: str


# The amount owed for a charge: its balance and the paid part that the balance has deducted, less the applied amount.
# Until a distribution has determined the paid part, it counts as equal to the applied amount.
# The line is found by its row id alone. Without statistics, PostgreSQL may choose an index of a company's clinics.
_LINE_OF_ALLOCATION = (
    "(SELECT * FROM lines WHERE lines.id = allocations.line_ref OFFSET 0) AS lines "
    "WHERE lines.company_id = allocations.company_id"
)
_ENTRY_OF_ALLOCATION = (
    "entries WHERE entries.company_id = allocations.company_id AND entries.id = allocations.entry_ref"
)
_CHARGE_SUMS_SUBQUERY = """
LATERAL (SELECT coalesce(sum(greatest(owed, 0.00)), 0.00) AS balance,
    coalesce(sum(greatest(-owed, 0.00)), 0.00) AS credit, count(*) AS count
FROM (SELECT patient_balance + coalesce(patient_paid - coalesce(applied, 0.00), 0.00) AS owed
    FROM charges LEFT JOIN (SELECT clinic_id, charge_id, sum(amount) AS applied FROM allocations
        WHERE allocations.company_id = patients.company_id AND allocations.patient_id = patients.patient_id
        GROUP BY 1, 2) AS moved USING (clinic_id, charge_id)
    WHERE charges.company_id = patients.company_id AND charges.patient_id = patients.patient_id {}) AS owing)
"""
_LOCAL_KEY_SQL = "lines.clinic_id || '/' || lines.payment_id || '/' || lines.line_id"


def summaries(
    tx: Transaction, patient_id: str, scope: Scope = EVERYTHING, as_of: datetime | None = None
) -> list[AccountRow]:
    """Return the accounts of a patient, as they are now or as they were at `as_of`.

    There is one account per company that has the patient id. If the scope is limited to clinics, an account includes
    only the payments and charges of these clinics. An account without any of these is omitted.
    """
    sums = (
        "LATERAL (SELECT coalesce(sum({0}), 0.00) AS total, count(*) AS count FROM {1} "
        "WHERE {1}.company_id = patients.company_id AND {1}.patient_id = patients.patient_id {2})"
    )
    paid = sums.format("amount", "entries", in_scope(scope, "entries"))
    charged = _CHARGE_SUMS_SUBQUERY.format(in_scope(scope, "charges"))
    of_payment = (
        f"AND (EXISTS (SELECT FROM {_LINE_OF_ALLOCATION} {in_scope(scope, 'lines')}) "
        f"OR EXISTS (SELECT FROM {_ENTRY_OF_ALLOCATION} {in_scope(scope, 'entries')}))"
    )
    applied = sums.format("amount", "allocations", "" if scope.clinics is None else of_payment)
    has_data = (
        "AND (paid.count + charged.count > 0 OR EXISTS (SELECT FROM lines WHERE lines.company_id = patients.company_id "
        f"AND lines.patient_id = patients.patient_id {in_scope(scope, 'lines')}))"
    )
    query = (
        "SELECT patients.patient_id AS patient, paid.total AS payments_total, "
        "paid.total - applied.total AS unassigned, charged.balance, company_id AS company, charged.credit, "
        "patients.name AS patient_name "
        f"FROM patients, {paid} AS paid, {charged} AS charged, {applied} AS applied "
        f"WHERE patients.patient_id = :patient_id {company_in_scope(scope, 'patients')} "
        f"{'' if scope.clinics is None else has_data} ORDER BY company_id"
    )
    statement = as_of_query(as_of, "patients entries charges allocations lines", query)
    disable_nested_loops(tx)
    found = tx.execute(text(statement), _parameters(patient_id, scope, as_of))
    return [AccountRow(**row) for row in found.mappings()]


def allocations(
    tx: Transaction,
    account: AccountRow,
    scope: Scope = EVERYTHING,
    as_of: datetime | None = None,
) -> Iterator[AllocationRow]:
    """Yield the allocations of an account in order, for the payments in the scope."""
    query = (
        f"SELECT allocations.company_id AS company, payment, {CHARGE_KEY} AS charge, "
        "charges.date_of_service, allocations.amount, rule, distribution_date, entry "
        f"FROM allocations CROSS JOIN LATERAL (SELECT {printed_key(scope, 'lines')} AS payment, NULL::bigint AS entry "
        f"FROM {_LINE_OF_ALLOCATION} {in_scope(scope, 'lines')} UNION ALL "
        f"SELECT NULL, entries.id FROM {_ENTRY_OF_ALLOCATION} {in_scope(scope, 'entries')}) AS source "
        f"{charges_of('allocations', as_of)} "
        "WHERE allocations.company_id = :company_id AND allocations.patient_id = :patient_id ORDER BY allocations.id"
    )
    statement = as_of_query(as_of, "charges allocations", query)
    of_account = _parameters(account.patient, scope, as_of) | {"company_id": account.company}
    for found in read_batches(tx, statement, of_account, is_selective=True):
        yield from map(AllocationRow._make, found)


def _join_lines(as_of: datetime | None) -> str:
    """Return the JOIN clause that joins entries with their lines. Current lines are found through an index.

    The line of a manual entry is the line to which the entry is linked.
    """
    is_same = "lines.company_id = entries.company_id AND lines.id = coalesce(entries.line_ref, link.line_ref)"
    if as_of is not None:
        return f"{ACTIVE_LINK} JOIN lines ON {is_same}"
    return f"{ACTIVE_LINK} CROSS JOIN LATERAL (SELECT * FROM lines WHERE {is_same} OFFSET 0) AS lines"


def refunds_to_check(
    tx: Transaction, account: AccountRow, scope: Scope = EVERYTHING, as_of: datetime | None = None
) -> list[RefundRow]:
    """Return the account's refunds that need checking: the refunded payment is not on the account, or is smaller.

    Only refunds in the scope are returned.
    """
    # The refunds of the account and the lines that they name, in the order in which they are distributed.
    query = (
        "WITH posted AS MATERIALIZED ("
        f"SELECT lines.id AS line_ref, {_LOCAL_KEY_SQL} AS payment, {printed_key(scope, 'lines')} AS printed, "
        "lines.refund_of, sum(entries.amount) AS amount, "
        f"min(deposit_date) AS first_day, min(entries.id) AS first_id, bool_and(true {in_scope(scope, 'lines')}) "
        f"AS is_visible FROM entries {_join_lines(as_of)} "
        "WHERE entries.company_id = :company_id AND entries.patient_id = :patient_id GROUP BY 1, 2, 3, 4) "
        "SELECT line_ref, payment, printed, refund_of, amount, is_visible FROM posted WHERE refund_of IS NOT NULL "
        "OR payment IN (SELECT refund_of FROM posted) ORDER BY first_day, first_id"
    )
    statement = as_of_query(as_of, "entries entry_links lines", query)
    found = tx.execute(text(statement), _parameters(account.patient, scope, as_of) | {"company_id": account.company})
    rows = {row.line_ref: row for row in found}
    refunds = refund.refunds_to_check(
        [AccountLine(row.line_ref, row.payment, row.refund_of, row.amount) for row in rows.values()]
    )
    return [
        RefundRow(account.company, rows[each.line_ref].printed, each.refund_of or "", each.amount, uncovered, problem)
        for each, problem, uncovered in refunds
        if rows[each.line_ref].is_visible
    ]


def _parameters(patient_id: str, scope: Scope, as_of: datetime | None) -> dict[str, object]:
    return {"patient_id": patient_id, "as_of": as_of, **scope_parameters(scope)}
