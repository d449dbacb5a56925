"""The last day before another day on which a scope has payments: by their save, transaction date or deposit date."""

from dataclasses import dataclass
from datetime import date

from payments.core.scope import EVERYTHING, Scope
from payments.store.db.conditions import rows_of_each_clinic, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.statement import text


@dataclass(frozen=True, slots=True)
class _Newest:
    """A table, its column of days, and the rest of the query that reads the newest row before the day `before`."""

    table: str
    day: str
    rows: str


# The clinic's day of a save differs from the UTC day of `saved_at`, which is indexed, by at most one day.
_SAVE = _Newest(
    "lines",
    "saved_on",
    "saved_at < CAST(CAST(:before AS date) + 1 AS timestamptz) AND saved_on < :before AND status IS NOT NULL "
    "ORDER BY saved_at DESC, id DESC LIMIT 1",
)
_TRANSACTION = _Newest(
    "lines",
    "transaction_date",
    "transaction_date < :before AND status IS NOT NULL ORDER BY transaction_date DESC LIMIT 1",
)
_DEPOSIT = _Newest("entries", "deposit_date", "deposit_date < :before ORDER BY deposit_date DESC LIMIT 1")


def last_save_day(tx: Transaction, scope: Scope, before: date) -> date | None:
    """Return the last day before `before` on which a payment was saved, in the clinic's local time, or None."""
    return _last_day(tx, _SAVE, scope, before)


def last_transaction_date(tx: Transaction, scope: Scope, before: date) -> date | None:
    """Return the last transaction date before `before` of a payment, or None."""
    return _last_day(tx, _TRANSACTION, scope, before)


def last_deposit_date(tx: Transaction, scope: Scope, before: date) -> date | None:
    """Return the last deposit date before `before` of an entry, or None."""
    return _last_day(tx, _DEPOSIT, scope, before)


def _last_day(tx: Transaction, newest: _Newest, scope: Scope, before: date) -> date | None:
    rows = f"SELECT * FROM {newest.table} WHERE {newest.rows}"
    if scope != EVERYTHING:
        rows = rows_of_each_clinic(scope, newest.table, newest.rows)
    query = f"SELECT max({newest.day}) FROM ({rows}) AS newest"
    found: date | None = tx.execute(text(query), {"before": before, **scope_parameters(scope)}).scalar_one()
    return found
