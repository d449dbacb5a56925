"""Apply Payments on Account and refunds immediately, and all other payments at night."""

import time
from collections.abc import Iterator
from datetime import UTC, date, datetime

from payments.contract.money import total
from payments.journeys import distributing
from payments.journeys.distributing import FIRST, DistributionResult
from payments.store.db.connection import Database, transaction
from tasks import wire_names
from tasks.app import app
from tasks.enqueue import clear_enqueued, send
from tasks.resources import get_resources

BATCH_ACCOUNTS = 1_000
TIME_SLICE_SECONDS = 30
"""Time slice of one task, well below the task time limit."""


@app.task(name="billing.apply_at_once")
def apply_immediately(**_future: object) -> str:
    """Apply Payments on Account. Unapply the excess of payments and charges whose amount was lowered."""
    resources, now, moved = get_resources(), datetime.now(UTC), 0
    clear_enqueued(resources.broker, wire_names.APPLY_IMMEDIATELY)
    batch = DistributionResult(FIRST, [])
    while batch.last is not None:
        with transaction(resources.database) as tx:
            batch = distributing.distribute_queued(tx, None, now, BATCH_ACCOUNTS)
        moved += len(batch.allocations)
    return f"{moved:,} allocations"


@app.task(name="billing.distribute_payments")
def distribute_payments(**_future: object) -> str:
    """Distribute the companies whose nightly run is due. If work remains after a time slice, send a message."""
    resources = get_resources()
    clear_enqueued(resources.broker, wire_names.DISTRIBUTE_PAYMENTS)
    batches = list(_distribute_time_slice(resources.database))
    if batches and batches[-1].last is not None:
        send(wire_names.DISTRIBUTE_PAYMENTS)
    moved = sum(len(each.allocations) for each in batches)
    return f"{moved:,} allocations, {total(each.net_applied for each in batches)} applied"


def distribute_all(
    database: Database, as_of: date | None, now: datetime, *, company: str | None = None, dry_run: bool = False
) -> Iterator[DistributionResult]:
    """Distribute the payments of all accounts, or of a company's, and yield the result of each batch.

    Each batch is a transaction, which a dry run rolls back. `as_of` defaults to each company's current day.
    """
    first = FIRST if company is None else (company, "")
    distribute = distributing.distribute_accounts if company is None else distributing.distribute_accounts_of_company
    batch = DistributionResult(first, [])
    while batch.last is not None:
        with transaction(database) as tx:
            batch = distribute(tx, batch.last, as_of, now, BATCH_ACCOUNTS)
            if dry_run:
                tx.rollback()
        yield batch


def _distribute_time_slice(database: Database) -> Iterator[DistributionResult]:
    """Distribute payments in batches until no company's run is due, or until the time slice is over."""
    ends_at, is_over = time.monotonic() + TIME_SLICE_SECONDS, False
    while not is_over:
        with transaction(database) as tx:
            batch = distributing.distribute_next_due(tx, datetime.now(UTC), BATCH_ACCOUNTS)
        is_over = batch.last is None or time.monotonic() >= ends_at
        yield batch
