"""Check invariants of an office that has no pending work."""

from decimal import Decimal

from sqlalchemy import text

from payments.contract.money import ZERO
from payments.core.balancing import ReconcilingItem
from payments.core.month import Month
from payments.core.posted import NOT_IN_BILLING, PostedFilter, PostedState
from payments.core.sorting import Window
from payments.journeys import balancing, closing, distributing, reporting
from payments.journeys.balancing import BalanceFilter
from payments.journeys.reporting import ExceptionFilter, FeedFilter
from payments.store.db.connection import Transaction

# The entries of each line with the manual entries that are linked to it, and those of manual entries without a line.
_SOURCES_QUERY = """
SELECT entries.*, coalesce(entries.line_ref, link.line_ref) AS of_line,
    CASE WHEN coalesce(entries.line_ref, link.line_ref) IS NULL THEN coalesce(reverses, entries.id) END AS of_entry
FROM entries LEFT JOIN entry_links AS link ON link.entry_ref = entries.id AND ended_at IS NULL
"""
# Evaluated lines without an exception whose posted amount differs from the target.
LINES_OFF_TARGET_QUERY = f"""
SELECT payment_id, target, posted FROM lines, LATERAL (
    SELECT coalesce(sum(amount), 0) AS posted FROM ({_SOURCES_QUERY}) AS own WHERE of_line = lines.id) AS standing
WHERE application NOT IN ('exception', 'held') AND reason IS DISTINCT FROM 'patient_not_found' AND target <> posted
"""
# Lines that need an exception and have none that is open or acknowledged for this attempt.
MISSING_EXCEPTION_QUERY = """
SELECT payment_id FROM lines WHERE (application = 'exception' OR reason = 'patient_not_found') AND NOT EXISTS (
    SELECT FROM findings WHERE line_ref = lines.id AND status IN ('open', 'acknowledged')
        AND (findings.version, findings.attempts) = (lines.version, lines.attempts))
"""
# Charges or payments with more applied than is owed or paid, or less than nothing.
OVERAPPLIED_QUERY = f"""
SELECT 'charge', charge_id, patient_id, sum(amount) FROM allocations LEFT JOIN charges USING (charge_id, patient_id)
GROUP BY 2, 3, patient_balance, patient_paid
HAVING sum(amount) NOT BETWEEN 0 AND greatest(0, coalesce(patient_balance + patient_paid, 0))
UNION ALL
SELECT 'undetermined', charge_id, patient_id, patient_balance FROM charges WHERE patient_paid IS NULL
UNION ALL
SELECT 'payment', payment_id, moved.patient_id, applied FROM (
    SELECT line_ref, patient_id, sum(amount) AS applied FROM allocations GROUP BY 1, 2
) AS moved JOIN lines ON lines.id = line_ref
WHERE applied NOT BETWEEN 0 AND greatest(0, (
    SELECT sum(amount) FROM ({_SOURCES_QUERY}) AS own
    WHERE of_line = moved.line_ref AND own.patient_id = moved.patient_id))
UNION ALL
SELECT 'entry', entry_ref::text, patient_id, applied FROM (
    SELECT entry_ref, patient_id, sum(amount) AS applied FROM allocations WHERE entry_ref IS NOT NULL GROUP BY 1, 2
) AS moved WHERE applied NOT BETWEEN 0 AND greatest(0, (
    SELECT sum(amount) FROM ({_SOURCES_QUERY}) AS own WHERE of_entry = entry_ref))
"""


def check_closed_month_total(tx: Transaction, month: str, total: Decimal) -> None:
    verified = closing.verify(tx, "company", Month.parse(month))
    assert (verified.matches, verified.snapshot.payments_total) == (True, total)


def check_one_open_exception_per_line(tx: Transaction) -> None:
    payments = [found.payment for found in reporting.exceptions(tx, ExceptionFilter())]
    assert len(payments) == len(set(payments))


def check_lines_match_their_target(tx: Transaction) -> None:
    assert [*tx.execute(text(LINES_OFF_TARGET_QUERY)), *tx.execute(text(MISSING_EXCEPTION_QUERY))] == []


def check_feed_agrees_with_balance_and_ledger(tx: Transaction) -> None:
    """Check that the Claims Feed's posted states and amounts agree with the balance and the ledger.

    The missing amounts must add up to the balance's difference, and each filter must return the rows of its states. All
    dead letters must have readable amounts and dates.
    """
    rows = list(reporting.claims_feed(tx, FeedFilter()))
    balance = balancing.balance(tx, BalanceFilter())
    sum_of_lines = f"SELECT coalesce(sum(amount), 0.00) FROM ({_SOURCES_QUERY}) AS own WHERE of_line IS NOT NULL"
    posted = tx.execute(text(sum_of_lines)).scalar_one()

    assert sum((row.posted_amount for row in rows), ZERO) == posted
    assert sum((row.difference for row in rows), ZERO) == balance.emr_total - posted
    adjusted = balance.items[ReconcilingItem.PRIOR_PERIOD] + balance.items[ReconcilingItem.MANUAL]
    assert balance.billing_total + adjusted == posted
    differing = {PostedState(row.posted) for row in rows if row.difference}
    assert differing <= {*NOT_IN_BILLING, PostedState.INTERNAL_PAYMENT}
    for choice in PostedFilter:
        wanted = [row for row in rows if row.posted in choice.states]
        assert list(reporting.claims_feed(tx, FeedFilter(posted=choice))) == wanted
        page = reporting.claims_feed_page(tx, FeedFilter(posted=choice), Window(len(rows) + 1))
        assert sorted((each.row for each in page.rows), key=repr) == sorted(wanted, key=repr)


def check_nothing_is_overapplied(tx: Transaction) -> None:
    assert tx.execute(text(OVERAPPLIED_QUERY)).all() == []


def check_applied_plus_unassigned(tx: Transaction, patient_id: str) -> None:
    (account,) = distributing.show_account(tx, patient_id)
    log = list(reporting.payment_log(tx, reporting.PaymentLogFilter(patient_id)))
    applied = sum((moved.amount for moved in distributing.show_allocations(tx, account)), ZERO)
    assert account.payments_total == sum((row.amount for row in log), ZERO)
    assert account.unassigned == account.payments_total - applied
    assert account.unassigned == sum((row.unassigned for row in log), ZERO)
    # Only a refund that its payment does not cover, or a negative manual entry, makes an account negative.
    uncovered = distributing.show_refunds_to_check(tx, account)
    negative = sum((row.amount for row in log if row.kind == "manual" and row.amount < 0), ZERO)
    assert account.unassigned >= negative - sum((each.uncovered for each in uncovered), ZERO)
    assert account.balance >= 0
