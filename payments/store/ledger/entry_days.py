"""The deposit dates that an entry by hand may have: its month must be open (rule D7)."""

from datetime import date

from payments.core.manual_entry import EntryError
from payments.core.month import Month, MonthState
from payments.store.db.connection import Transaction
from payments.store.ledger import months


def check_month(tx: Transaction, company_id: str, day: date) -> None:
    """Raise EntryError if the month of a day is not open. Share-locks it until the commit."""
    if not is_open(tx, company_id, day):
        closed_through = months.lock_date(tx, company_id).closed_through
        until = f", as is every month up to {closed_through}" if closed_through else ""
        raise EntryError(f"deposit date {day}: that month is closed{until}; choose a date in an open month")


def is_open(tx: Transaction, company_id: str, day: date) -> bool:
    """Return whether the month of a day takes entries. Share-locks it until the commit."""
    key = (company_id, Month.of(day))
    return months.share_lock(tx, [key])[key] in {MonthState.OPEN, MonthState.SCHEDULED}
