"""Create the partitions of coming months, drop expired partitions, and delete short-lived rows."""

from datetime import date, datetime, timedelta
from typing import NamedTuple

from payments.access import uploaded_logs
from payments.core.month import Month
from payments.store.db import partitions
from payments.store.db.connection import Transaction
from payments.store.feed import requeue_items
from payments.store.ledger import import_tasks, nightly_results

MONTHS_AHEAD = 3
PARTITIONED_TABLES = partitions.PARTITIONED_TABLES
"""The tables that are partitioned by month."""

REQUEUE_ITEMS_RETENTION = timedelta(days=30)
"""The time for which the payments of a finished requeue run are kept. The outcome of the run is kept indefinitely."""
IMPORT_TASKS_RETENTION = timedelta(days=7)
"""The time for which rows of `import_tasks` are kept. They name tasks of Flower, which keeps the last 20,000 tasks."""
NIGHTLY_RESULTS_RETENTION = timedelta(days=90)


class Retention(NamedTuple):
    """The number of full months, before the current one, for which data are kept. None keeps data indefinitely."""

    events: int | None = None
    history: int | None = None
    audit: int | None = None

    def retention_months(self, table: str) -> int | None:
        """Return the retention of a table, in months."""
        if table in partitions.EVENT_TABLES:
            return self.events
        return self.audit if table in partitions.AUDIT_TABLES else self.history


def create_partitions(tx: Transaction, table: str, today: date) -> int:
    """Create a table's missing partitions up to MONTHS_AHEAD months ahead. Return the number created.

    Call it in a separate transaction for each table, so that no table stays locked while the call waits for another.
    Waits up to half a second for another transaction's lock, then raises DBAPIError (55P03).
    """
    month = Month.of(today)
    return partitions.create(tx, table, month.plus(-1).first_day, month.plus(MONTHS_AHEAD).first_day)


def drop_expired(tx: Transaction, table: str, today: date, retention: Retention) -> int:
    """Drop a table's partitions that are older than its retention. Return the number dropped.

    Needs the database role that owns the tables. Raises DBAPIError (55P03) as `create_partitions` does.
    """
    months = retention.retention_months(table)
    return 0 if months is None else partitions.drop(tx, table, Month.of(today).plus(-months).first_day)


def delete_short_lived(tx: Transaction, now: datetime) -> int:
    """Delete expired rows of the tables whose rows are kept for days, not months. Return the number deleted."""
    return (
        requeue_items.drop_before(tx, now - REQUEUE_ITEMS_RETENTION)
        + import_tasks.drop_before(tx, now - IMPORT_TASKS_RETENTION)
        + nightly_results.drop_before(tx, (now - NIGHTLY_RESULTS_RETENTION).date())
        + uploaded_logs.delete_expired(tx, now)
    )
