"""Close a company's month (rule D7): schedule it, close it, and verify the stored totals.

A close takes two transactions. The first one waits for the imports that have locked the month, and sets the state
CLOSING, for which later imports wait. When the second one adds up the ledger, no import writes to the month.
"""

from datetime import datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from payments.contract.money import Money
from payments.core.close import ClosingError, Snapshot, check_may_close
from payments.core.month import Month, MonthState
from payments.core.postponed_work import WorkItem, WorkKind
from payments.core.scope import Scope
from payments.store.db.connection import Transaction
from payments.store.ledger import clinics, company_moves, month_close, months, postponed_work
from payments.store.ledger.month_close import MonthRow, MonthToClose
from payments.store.reports import close_warnings as warnings_report
from payments.store.reports.close_warning import CloseWarning

__all__ = ["CloseWarning", "ClosingError", "MonthRow", "Snapshot"]


class Verification(NamedTuple):
    """The result of adding up a closed month again.

    `matches` tells whether the current totals equal the stored ones. `snapshot` holds the current totals.
    """

    matches: bool
    snapshot: Snapshot
    stored_total: Money


def schedule(tx: Transaction, company_id: str, month: Month, now: datetime, who: str) -> list[CloseWarning]:
    """Schedule a month to be closed in the coming night. Return the warnings to resolve before the close.

    Locks the month's row. Raises ClosingError if Billing has no such company, if the month has not ended, if it is
    CLOSING, if it is closed or counts as closed, or if an earlier month with entries is not closed.
    """
    _check_has_not_moved(tx, company_id, month)
    state = month_close.lock_state(tx, company_id, month)
    _check_may_close(tx, company_id, month, state, now)
    if state is MonthState.CLOSING:
        raise ClosingError(company_id, month, "it is being closed")
    if state is MonthState.OPEN:
        month_close.set_state(tx, (company_id, month), MonthState.SCHEDULED, now, who)
    return warnings_report.close_warnings(tx, company_id, month)


def cancel(tx: Transaction, company_id: str, month: Month, now: datetime, who: str) -> None:
    """Cancel a scheduled close. The month is then OPEN.

    Locks the month's row. Raises ClosingError if the month is not SCHEDULED.
    """
    _check_has_not_moved(tx, company_id, month)
    state = month_close.lock_state(tx, company_id, month)
    if state is not MonthState.SCHEDULED:
        raise ClosingError(company_id, month, f"it is {state.lower()}; only a scheduled month can be cancelled")
    month_close.set_state(tx, (company_id, month), MonthState.OPEN, now, who)


def preview_close(tx: Transaction, company_id: str, month: Month, now: datetime) -> tuple[Snapshot, list[CloseWarning]]:
    """Return the totals that a close would store, and the warnings to resolve before the close. Takes no lock.

    Raises ClosingError as `begin_close` does.
    """
    _check_may_close(tx, company_id, month, month_close.load_stored_state(tx, company_id, month), now)
    return month_close.compute_snapshot(tx, company_id, month), warnings_report.close_warnings(tx, company_id, month)


def close_warnings(tx: Transaction, company_id: str, month: Month) -> list[CloseWarning]:
    """Return the warnings that should be resolved before a month is closed. The month need not have ended."""
    return warnings_report.close_warnings(tx, company_id, month)


def begin_close(tx: Transaction, company_id: str, month: Month, now: datetime, who: str | None) -> None:
    """Set a month to CLOSING, so that new imports into the month wait. Commit before `finish_close`.

    `who` is None for the nightly task. Waits for running imports, then locks the month and the earlier open months.

    Raises ClosingError if Billing has no such company, if the month has not ended, if it is closed or counts as closed,
    or if an earlier month with entries is not closed.
    """
    _check_has_not_moved(tx, company_id, month)
    state = month_close.lock_states_through(tx, company_id, month)
    _check_may_close(tx, company_id, month, state, now)
    if state is not MonthState.CLOSING:
        month_close.set_state(tx, (company_id, month), MonthState.CLOSING, now, who)


def finish_close(tx: Transaction, company_id: str, month: Month, now: datetime) -> Snapshot:
    """Close a month that is CLOSING. Store and return its totals. Raises ClosingError if the month is not CLOSING."""
    state = month_close.lock_state(tx, company_id, month)
    if state is not MonthState.CLOSING:
        is_done = state is MonthState.CLOSED
        raise ClosingError(
            company_id,
            month,
            "it is closed already" if is_done else f"it is {state.lower()}; schedule or close the month first",
        )
    snapshot = month_close.compute_snapshot(tx, company_id, month)
    month_close.set_closed(tx, company_id, month, snapshot, now)
    return snapshot


def due_months(tx: Transaction, now: datetime) -> list[tuple[str, Month]]:
    """Return the months to close now.

    These are the months whose close was interrupted, and the months that were scheduled before the company's current
    day. A month is omitted if its close has failed and the next attempt is not due yet.
    """
    due = {
        work_item(each.company_id, each.month): (each.company_id, each.month)
        for each in month_close.months_to_close(tx)
        if each.state is MonthState.CLOSING or _is_scheduled_before_today(tx, each, now)
    }
    return [due[each] for each in postponed_work.drop_postponed(tx, WorkKind.CLOSE_MONTH, list(due), now)]


def work_item(company_id: str, month: Month) -> WorkItem:
    """Return a month as an item of recurring work."""
    return WorkItem(company_id, str(month))


def month_totals(tx: Transaction, company_id: str, month: Month) -> Snapshot:
    """Return a month's totals: the stored totals of a closed month, otherwise the current totals."""
    return month_close.load_snapshot(tx, company_id, month) or month_close.compute_snapshot(tx, company_id, month)


def verify(tx: Transaction, company_id: str, month: Month) -> Verification:
    """Add up a closed month again and compare the result with the stored totals.

    Raises ClosingError if the month is not closed.
    """
    snapshot = month_close.compute_snapshot(tx, company_id, month)
    stored = month_close.check_snapshot(tx, company_id, month, snapshot)
    if stored is None:
        raise ClosingError(company_id, month, "it is not closed")
    return Verification(stored.is_unchanged, snapshot, stored.payments_total)


def list_months(tx: Transaction, company_id: str) -> list[MonthRow]:
    """Return a company's months, oldest first."""
    return month_close.list_months(tx, company_id)


class DueMonth(NamedTuple):
    """A month that has ended and is not closed, and whether its close is overdue (rule D7)."""

    company: str
    month: Month
    state: MonthState
    is_overdue: bool


def months_to_close(tx: Transaction, scope: Scope, now: datetime, limit: int) -> list[DueMonth]:
    """Return the months to close in a scope: the oldest unclosed month of each company, if this month has ended.

    Return at most `limit` months, sorted by month.
    """
    found = []
    for each in months.oldest_open(tx, scope, limit):
        today = now.astimezone(ZoneInfo(each.timezone)).date()
        if each.month.plus(1).first_day <= today:
            found.append(DueMonth(each.company_id, each.month, each.state, each.month.is_overdue(today)))
    return sorted(found, key=lambda row: (row.month, row.company))


def month_state(tx: Transaction, company_id: str, month: Month) -> MonthState:
    """Return the state that applies to a month (rule D7), even if the month has no stored row. Takes no lock."""
    return months.load_state(tx, company_id, month)


def _is_scheduled_before_today(tx: Transaction, month: MonthToClose, now: datetime) -> bool:
    try:
        return clinics.local_date(tx, month.company_id, month.since) < clinics.local_date(tx, month.company_id, now)
    except (ZoneInfoNotFoundError, ValueError):
        # The time zone of the company is unknown. Its close fails with the same error, and stops no other.
        return True


def _check_has_not_moved(tx: Transaction, company_id: str, month: Month) -> None:
    if not company_moves.has_not_moved(tx, company_id):
        raise ClosingError(company_id, month, "the company has moved to another installation")


def _check_may_close(tx: Transaction, company_id: str, month: Month, state: MonthState, now: datetime) -> None:
    if not clinics.company_exists(tx, company_id):
        raise ClosingError(company_id, month, "Billing has no company with this id")
    today = clinics.local_date(tx, company_id, now)
    check_may_close(company_id, month, today, month_close.load_close_conditions(tx, company_id, month, state))
