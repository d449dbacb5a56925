"""Lock an exception for a decision: first its line, then the months of the entries to post.

Every decision takes the locks in this order, so that decisions cannot deadlock.
"""

from collections.abc import Iterable
from datetime import date

from payments.contract.days import YEAR_FIRST
from payments.core.finding import DecisionError
from payments.core.line import Line
from payments.core.month import Month, MonthState
from payments.store.db.connection import Transaction
from payments.store.ledger import company_moves, findings, lines, months
from payments.store.ledger.findings import StoredFinding


def lock(tx: Transaction, finding_id: int) -> tuple[Line, StoredFinding]:
    """Lock an exception's line. Return the line and the exception.

    Raises DecisionError if the exception does not exist, or if its company has moved to another installation.
    """
    seen = findings.load(tx, [finding_id]).get(finding_id)
    if seen is None:
        raise DecisionError(finding_id, "there is no exception with this number")
    (line,) = lines.lock_by_id(tx, [seen.line_ref], wait=True).values()
    if not company_moves.has_not_moved(tx, line.company_id):
        raise DecisionError(finding_id, f"company {line.company_id} has moved to another installation")
    return line, findings.load(tx, [finding_id])[finding_id]


def open_days(tx: Transaction, line: Line, days: Iterable[date]) -> set[date]:
    """Return the days whose months are open. Share-locks the months of all given days until the commit (rule D7)."""
    months_of = {day: (line.company_id, Month.of(day)) for day in days}
    states = months.share_lock(tx, months_of.values())
    return {day for day, month in months_of.items() if states[month] in {MonthState.OPEN, MonthState.SCHEDULED}}


def check_deposit_date(tx: Transaction, line: Line, finding_id: int, day: date, today: date) -> None:
    """Check the deposit date of a decision, and share-lock its month.

    Raises DecisionError if the day is in the future, too early, or in a month that is not open.
    """
    if day > today:
        raise DecisionError(finding_id, f"deposit date {day} is in the future; today is {today}")
    if day.year < YEAR_FIRST:
        raise DecisionError(finding_id, f"deposit date {day}: the earliest year is {YEAR_FIRST}")
    if not open_days(tx, line, {day}):
        closed_through = months.lock_date(tx, line.company_id).closed_through
        until = f", as is every month up to {closed_through}" if closed_through else ""
        problem = f"deposit date {day}: that month is closed{until}; choose a date in an open month"
        raise DecisionError(finding_id, problem)
