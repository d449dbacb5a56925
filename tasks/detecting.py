"""The message that brings the office's exceptions up to date."""

from datetime import UTC, datetime

from payments.journeys import detecting
from payments.store.db.connection import transaction
from tasks import enqueue
from tasks.adjusting import apply_adjustments
from tasks.app import app
from tasks.resources import resources

LIMIT = 500


@app.task(name="billing.detect_exceptions")
def detect_exceptions(**_future: object) -> str:
    """Look at every line whose exception may have changed, a set at a time."""
    here, done = resources(), detecting.DetectionStats()
    enqueue.take(here.broker, detect_exceptions)
    examined = -1
    while done.examined > examined:
        examined = done.examined
        with transaction(here.database) as tx:
            done += detecting.detect(tx, datetime.now(UTC), here.worker, LIMIT)
    if done.opened or done.recomputed:
        enqueue.give(here.broker, apply_adjustments)
    return str(done)
