"""Create the partitions of coming months, and drop those past their retention."""

from datetime import date
from typing import NamedTuple

from payments.core.month import Month
from payments.store.db import partitions
from payments.store.db.connection import Transaction

MONTHS_AHEAD = 3
TABLES = partitions.TABLES
"""The tables that are partitioned by month."""


class Retention(NamedTuple):
    """Retention in full months before the current one; None keeps data indefinitely."""

    events: int | None = None
    history: int | None = None
    audit: int | None = None

    def retention_months(self, table: str) -> int | None:
        """Return the retention of a table."""
        if table in partitions.EVENTS:
            return self.events
        return self.audit if table in partitions.AUDIT else self.history


def create_partitions(tx: Transaction, table: str, today: date) -> int:
    """Create a table's missing partitions up to three months ahead, and return how many were created.

    Call it in a separate transaction for each table, so that a reader of one table delays no other. Raises DBAPIError
    (55P03) after waiting half a second for another transaction's lock.
    """
    month = Month.of(today)
    return partitions.create(tx, table, month.plus(-1).first_day, month.plus(MONTHS_AHEAD).first_day)


def drop_expired(tx: Transaction, table: str, today: date, retention: Retention) -> int:
    """Drop a table's partitions older than their retention, and return how many were dropped.

    Needs the role that owns the tables. Raises DBAPIError (55P03) as `create_partitions` does.
    """
    months = retention.retention_months(table)
    return 0 if months is None else partitions.drop(tx, table, Month.of(today).plus(-months).first_day)
