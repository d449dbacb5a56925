"""The task that detects Billing Exceptions."""

from collections.abc import Iterator
from datetime import UTC, datetime

from payments.core.postponed_work import Selection, WorkKind
from payments.journeys import detecting
from payments.journeys.detecting import DetectionStats
from payments.store.db.connection import Transaction
from tasks import wire_names
from tasks.app import app
from tasks.enqueue import clear_enqueued, enqueue_once
from tasks.isolation import retry_postponed, run_or_bisect
from tasks.resources import Resources, get_resources
from tasks.time_slice import run_time_slice

BATCH_LINES = 500


@app.task(name="billing.detect_exceptions")
def detect_exceptions(**_future: object) -> str:
    """Examine in batches the lines whose exceptions may have changed. A line that fails is postponed.

    If lines remain after a time slice, enqueue this task again.
    """
    resources = get_resources()
    clear_enqueued(resources.broker, wire_names.DETECT_EXCEPTIONS)
    batches, has_more = run_time_slice(_detect(resources, datetime.now(UTC)))
    stats = sum(batches, DetectionStats())
    if has_more:
        enqueue_once(resources.broker, wire_names.DETECT_EXCEPTIONS)
    if stats.opened or stats.recomputed:
        enqueue_once(resources.broker, wire_names.APPLY_ADJUSTMENTS)
    return str(stats)


def _detect(resources: Resources, now: datetime) -> Iterator[DetectionStats]:
    """Examine the postponed lines that are due, then all others in batches. Yield the statistics of each batch."""
    kind = WorkKind.DETECT_EXCEPTION

    def detect(tx: Transaction, selection: Selection) -> DetectionStats:
        return detecting.detect(tx, datetime.now(UTC), resources.worker, BATCH_LINES, selection)

    yield from retry_postponed(resources.database, kind, detect, now)
    is_done = False
    while not is_done:
        results = run_or_bisect(resources.database, kind, detect, Selection(), now)
        yield from filter(None, results)
        is_done = not any(each is None or each.examined for each in results)
