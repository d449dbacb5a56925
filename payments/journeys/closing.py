"""Close a company's month: scheduled, run the same night, and from then on only added to by adjustments.

A close takes two transactions. The first says CLOSING, and waits for the imports that hold the month; those that come
after it wait. So the second sums a ledger that nobody is adding to.
"""

from datetime import datetime
from typing import NamedTuple

from payments.contract.money import Money
from payments.core.close import ClosingError, Snapshot, check_may_close
from payments.core.month import Month, MonthState
from payments.store.db.connection import Transaction
from payments.store.ledger import clinics, month_close
from payments.store.ledger.month_close import CloseWarning, MonthRow

__all__ = ["CloseWarning", "ClosingError", "MonthRow", "Snapshot"]


class Verified(NamedTuple):
    """Whether a closed month still adds up to what was kept of it, its totals as they are now, and the sum kept."""

    holds: bool
    snapshot: Snapshot
    kept_total: Money


def schedule(tx: Transaction, company_id: str, month: Month, now: datetime, who: str) -> list[CloseWarning]:
    """Schedule a month for the coming night, and return what is better settled before.

    Raises ClosingError for a month that has not ended, is closed or being closed, or comes after one with entries that
    is not closed.
    """
    state = month_close.lock_state(tx, company_id, month)
    _check(tx, company_id, month, state, now)
    if state is MonthState.CLOSING:
        raise ClosingError(company_id, month, "it is being closed")
    if state is MonthState.OPEN:
        month_close.set_state(tx, (company_id, month), MonthState.SCHEDULED, now, who)
    return month_close.unready(tx, company_id, month)


def cancel(tx: Transaction, company_id: str, month: Month, now: datetime, who: str) -> None:
    """Take a scheduled month back. Raises ClosingError for any other."""
    state = month_close.lock_state(tx, company_id, month)
    if state is not MonthState.SCHEDULED:
        raise ClosingError(company_id, month, f"it is {state}; only a scheduled month can be cancelled")
    month_close.set_state(tx, (company_id, month), MonthState.OPEN, now, who)


def preview(tx: Transaction, company_id: str, month: Month, now: datetime) -> tuple[Snapshot, list[CloseWarning]]:
    """Return the totals that a close would keep, and what is better settled before; nobody has to wait for it.

    Raises ClosingError as `begin` does.
    """
    _check(tx, company_id, month, month_close.state_of(tx, company_id, month), now)
    return month_close.take_snapshot(tx, company_id, month), month_close.unready(tx, company_id, month)


def show_unready(tx: Transaction, company_id: str, month: Month) -> list[CloseWarning]:
    """Return what of a month is better settled before it is closed, whether or not it may be closed by now."""
    return month_close.unready(tx, company_id, month)


def begin(tx: Transaction, company_id: str, month: Month, now: datetime, who: str | None) -> None:
    """Hold new imports of the month back; commit this before `finish`. Nobody but the night has no name.

    Raises ClosingError for a month that has not ended, is closed, or comes after one with entries that is not closed.
    """
    state = month_close.lock_state(tx, company_id, month)
    _check(tx, company_id, month, state, now)
    if state is not MonthState.CLOSING:
        month_close.set_state(tx, (company_id, month), MonthState.CLOSING, now, who)


def finish(tx: Transaction, company_id: str, month: Month, now: datetime) -> Snapshot:
    """Close a month that is CLOSING, keep its totals, and return them. Raises ClosingError for any other."""
    state = month_close.lock_state(tx, company_id, month)
    if state is not MonthState.CLOSING:
        is_done = state is MonthState.CLOSED
        raise ClosingError(company_id, month, "it is closed already" if is_done else f"it is {state}; begin the close")
    snapshot = month_close.take_snapshot(tx, company_id, month)
    month_close.set_closed(tx, company_id, month, snapshot, now)
    return snapshot


def due(tx: Transaction, now: datetime) -> list[tuple[str, Month]]:
    """Return the months to close now: those left half closed, and those scheduled on an earlier day."""
    return [
        (company_id, month)
        for company_id, month, state, since in month_close.waiting_months(tx)
        if state is MonthState.CLOSING
        or clinics.local_day(tx, company_id, since) < clinics.local_day(tx, company_id, now)
    ]


def show(tx: Transaction, company_id: str, month: Month) -> Snapshot:
    """Return a month's totals: as they were kept at its close or, where it is not closed, as they are."""
    return month_close.kept_snapshot(tx, company_id, month) or month_close.take_snapshot(tx, company_id, month)


def verify(tx: Transaction, company_id: str, month: Month) -> Verified:
    """Sum a closed month again and compare. Raises ClosingError for a month that is not closed."""
    snapshot = month_close.take_snapshot(tx, company_id, month)
    kept = month_close.compare(tx, company_id, month, snapshot)
    if kept is None:
        raise ClosingError(company_id, month, "it is not closed")
    return Verified(kept.is_same, snapshot, kept.payments_total)


def list_months(tx: Transaction, company_id: str) -> list[MonthRow]:
    """Return a company's months, oldest first."""
    return month_close.list_months(tx, company_id)


def _check(tx: Transaction, company_id: str, month: Month, state: MonthState, now: datetime) -> None:
    today = clinics.local_day(tx, company_id, now)
    check_may_close(company_id, month, today, state, month_close.earlier_open(tx, company_id, month))
