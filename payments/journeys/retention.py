"""Create the partitions of coming months, and drop those past their retention."""

from datetime import date
from typing import NamedTuple

from payments.core.month import Month
from payments.store.db import partitions
from payments.store.db.connection import Transaction

MONTHS_AHEAD = 3


class Retention(NamedTuple):
    """Retention in full months before the current one; None keeps data indefinitely."""

    events: int | None = None
    history: int | None = None
    audit: int | None = None


def create_partitions(tx: Transaction, today: date) -> int:
    """Create missing partitions up to three months ahead, and return how many were created."""
    month = Month.of(today)
    return partitions.create(tx, month.plus(-1).first_day, month.plus(MONTHS_AHEAD).first_day)


def drop_expired(tx: Transaction, today: date, retention: Retention) -> int:
    """Drop partitions older than their retention, and return how many were dropped.

    Needs the role that owns the tables.
    """
    limits = (
        (partitions.EVENTS, retention.events),
        (partitions.HISTORY, retention.history),
        (partitions.AUDIT, retention.audit),
    )
    return sum(
        partitions.drop(tx, tables, Month.of(today).plus(-months).first_day)
        for tables, months in limits
        if months is not None
    )
