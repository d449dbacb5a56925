"""The task that creates the partitions of coming months, and deletes expired rows that are kept for days only."""

from datetime import UTC, datetime

import structlog

from payments.journeys import retention
from tasks import wire_names
from tasks.app import app
from tasks.enqueue import clear_enqueued
from tasks.resources import get_resources
from tasks.table_by_table import change_tables
from tasks.transactions import run_in_transaction

log = structlog.get_logger()


@app.task(name="billing.make_room")
def create_partitions(**_future: object) -> str:
    """Create the partitions of the coming months in all tables that are partitioned by month.

    If another transaction keeps a table locked, the next run tries that table again. Then delete expired rows of the
    tables whose rows are kept for days only.
    """
    resources, now = get_resources(), datetime.now(UTC)
    today = now.date()
    clear_enqueued(resources.broker, wire_names.CREATE_PARTITIONS)
    created, blocked = change_tables(
        resources.database, lambda tx, table: retention.create_partitions(tx, table, today)
    )
    if blocked:
        log.warning("partitions_postponed", tables=blocked)
    deleted = run_in_transaction(resources.database, lambda tx: retention.delete_short_lived(tx, now))
    return f"created {created} partitions, deleted {deleted:,} rows"
