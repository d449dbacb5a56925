"""Postpone items of recurring work that fail, so that a sweep continues with the other items."""

from datetime import datetime

from payments.core.postponed_work import WorkItem, WorkKind
from payments.store.db.connection import Transaction
from payments.store.ledger import postponed_work
from payments.store.ledger.postponed_work import PostponedCount, Postponement

__all__ = ["PostponedCount", "Postponement"]

RETRIED_PER_SWEEP_MAX = 100
"""The largest number of postponed items of a kind that one sweep tries again."""


def postpone(tx: Transaction, kind: WorkKind, item: WorkItem, error: str, now: datetime) -> Postponement:
    """Record a failed attempt at an item. Return the number of failed attempts, and the time of the next attempt.

    `error` is the class and the first line of the error.
    """
    return postponed_work.postpone(tx, kind, item, error, now)


def due_again(tx: Transaction, kind: WorkKind, now: datetime) -> list[WorkItem]:
    """Return up to RETRIED_PER_SWEEP_MAX postponed items whose next attempt is due.

    The caller tries each item in a separate transaction.
    """
    return postponed_work.load_due(tx, kind, now, RETRIED_PER_SWEEP_MAX)


def clear(tx: Transaction, kind: WorkKind, item: WorkItem) -> None:
    """Delete the record of an item's failed attempts, because the item succeeded or needs no further attempt."""
    postponed_work.clear(tx, kind, item)
