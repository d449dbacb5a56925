"""The task that detects Billing Exceptions."""

from datetime import UTC, datetime

from payments.journeys import detecting
from payments.store.db.connection import transaction
from tasks import wire_names
from tasks.app import app
from tasks.enqueue import clear_enqueued, enqueue_once
from tasks.resources import get_resources

LIMIT = 500


@app.task(name="billing.detect_exceptions")
def detect_exceptions(**_future: object) -> str:
    """Examine all lines whose exception may have changed, in batches."""
    resources, stats = get_resources(), detecting.DetectionStats()
    clear_enqueued(resources.broker, wire_names.DETECT_EXCEPTIONS)
    examined = -1
    while stats.examined > examined:
        examined = stats.examined
        with transaction(resources.database) as tx:
            stats += detecting.detect(tx, datetime.now(UTC), resources.worker, LIMIT)
    if stats.opened or stats.recomputed:
        enqueue_once(resources.broker, wire_names.APPLY_ADJUSTMENTS)
    return str(stats)
