"""The Claims Feed: one row a line, its newest version, whether it was processed or had to be set aside."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import CursorResult

from payments.contract.money import Money
from payments.store.db.as_of import as_of_query
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.feed.current import current_dead_letters

FEED = f"""
WITH {current_dead_letters()},
feed AS (
    SELECT clinic_id || '/' || payment_id || '/' || line_id AS payment, version, clinic_id AS clinic,
        patient_id AS patient, charge_type, CASE WHEN deleted THEN 0.00 ELSE amount_paid END AS amount, saved_at,
        saved_on, status, reason, attempts, application, detail, due_at AS next_try_at, NULL::text AS refused
    FROM lines
    WHERE status IS NOT NULL AND id NOT IN (SELECT line_ref FROM current_dead_letters WHERE line_ref IS NOT NULL)
    UNION ALL
    SELECT clinic_id || '/' || payment_id || '/' || line_id, version, clinic_id, patient_id, charge_type, amount_paid,
        saved_at, coalesce(saved_on, (received_at AT TIME ZONE 'UTC')::date), status, reason, attempts, 'none', error,
        due_at, 'refused:' || id
    FROM current_dead_letters
)
"""
"""The Claims Feed as the CTE `feed`."""


@dataclass(frozen=True, slots=True)
class FeedQuery:
    """Which part of the feed: save dates from and to (inclusive), status, clinic; None leaves that open.

    `as_of` is a moment: the feed as it was known then.
    """

    since: date | None = None
    until: date | None = None
    status: str | None = None
    clinic_id: str | None = None
    as_of: datetime | None = None


class FeedRow(NamedTuple):
    """A row of the Claims Feed. `amount` in dollars; `refused` names an event that was set aside, for a requeue."""

    payment: str | None
    version: int | None
    clinic: str | None
    patient: str | None
    charge_type: str | None
    amount: Money | None
    saved_at: datetime | None
    status: str
    reason: str | None
    attempts: int
    application: str
    detail: str
    next_try_at: datetime | None
    refused: str | None


@dataclass(frozen=True, slots=True)
class FeedSum:
    """How many payments of the feed share a status and reason, and their sum in dollars."""

    status: str
    reason: str | None
    count: int
    total: Money


_CHOSEN = """
WHERE (CAST(:since AS date) IS NULL OR saved_on >= :since) AND (CAST(:until AS date) IS NULL OR saved_on <= :until)
    AND (CAST(:status AS text) IS NULL OR status = :status)
    AND (CAST(:clinic_id AS text) IS NULL OR clinic = :clinic_id)
"""
_ORDER = "saved_at NULLS LAST, payment, refused NULLS FIRST"


def rows(tx: Transaction, query: FeedQuery) -> list[FeedRow]:
    """Return the feed by time of the save, unreadable events last."""
    columns = ", ".join(FeedRow._fields)
    found = _asked(tx, query, f"SELECT {columns} FROM feed {_CHOSEN} ORDER BY {_ORDER}")
    return [FeedRow(*row) for row in found]


def sums(tx: Transaction, query: FeedQuery) -> list[FeedSum]:
    """Return the feed summed by status and reason, the largest group first."""
    found = _asked(
        tx,
        query,
        f"SELECT status, reason, count(*), coalesce(sum(amount), 0.00) FROM feed {_CHOSEN} "
        "GROUP BY status, reason ORDER BY count(*) DESC, status, reason",
    )
    return [FeedSum(*row) for row in found]


def _asked(tx: Transaction, query: FeedQuery, selection: str) -> CursorResult[*tuple[Any, ...]]:
    """Ask the feed, as of the moment that the query names."""
    statement = as_of_query(query.as_of, "lines set_aside", f"{FEED} {selection}")
    return tx.execute(text(statement), {name: getattr(query, name) for name in query.__slots__})
