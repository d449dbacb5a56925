"""The task that takes the daily snapshot of the work queues."""

from collections.abc import Iterator
from datetime import UTC, datetime

from payments.core.postponed_work import Selection, WorkKind
from payments.journeys import snapshotting
from payments.store.db.connection import Database
from tasks import isolation, wire_names
from tasks.app import app
from tasks.enqueue import clear_enqueued, enqueue_once
from tasks.resources import get_resources
from tasks.time_slice import run_time_slice
from tasks.transactions import run_in_transaction

_WORK_KIND = WorkKind.SNAPSHOT_COMPANY


@app.task(name="billing.snapshot_queues")
def snapshot_queues(**_future: object) -> str:
    """Store the size of each company's work queues, once per night. If companies remain, enqueue this task again."""
    resources = get_resources()
    clear_enqueued(resources.broker, wire_names.SNAPSHOT_QUEUES)
    result, has_more = take_snapshots(resources.database, datetime.now(UTC))
    if has_more:
        enqueue_once(resources.broker, wire_names.SNAPSHOT_QUEUES)
    return result


def take_snapshots(database: Database, now: datetime) -> tuple[str, bool]:
    """Take due snapshots until none is left or the time slice ends.

    Returns a summary, and whether companies may remain. A company that fails is postponed and logged. Raises errors
    that are outages.
    """
    taken, has_more = run_time_slice(_take_due_snapshots(database, now))
    return f"{sum(taken):,} companies" if taken else "not due", has_more


def _take_due_snapshots(database: Database, now: datetime) -> Iterator[bool]:
    """Take the postponed snapshots that are due, then all others of tonight's run. Yield whether each was taken."""
    yield from isolation.retry_postponed(
        database, _WORK_KIND, lambda tx, selection: snapshotting.snapshot_company(tx, now, selection), now
    )
    while (is_taken := _snapshot_queues_of_next_company(database, now)) is not None:
        yield is_taken


def _snapshot_queues_of_next_company(database: Database, now: datetime) -> bool | None:
    """Take the next snapshot. Return True if it was taken, False if it failed, and None if no run is due.

    Raises errors that are outages.
    """
    selection = Selection()
    try:
        return run_in_transaction(database, lambda tx: snapshotting.snapshot_next_due(tx, now, selection))
    except Exception as error:
        if isolation.is_outage(error) or not selection.selected:
            raise
        (company,) = selection.selected
        isolation.postpone(database, _WORK_KIND, company, error, now)
    run_in_transaction(database, lambda tx: snapshotting.skip_company(tx, now, company))
    return False
