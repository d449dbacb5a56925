"""The task that continues requeue runs. It requeues their payments chunk by chunk and stores the results."""

from collections.abc import Iterator
from datetime import UTC, datetime

from payments.core.postponed_work import Selection, WorkKind
from payments.journeys import requeue_runs
from payments.store.db.connection import Transaction
from tasks import wire_names
from tasks.app import app
from tasks.enqueue import clear_enqueued, enqueue_once
from tasks.isolation import retry_postponed, run_or_bisect
from tasks.resources import Resources, get_resources
from tasks.time_slice import run_time_slice
from tasks.transactions import run_in_transaction

CHUNK_ROWS = 500


@app.task(name="billing.run_requeues")
def run_requeues(**_future: object) -> str:
    """Requeue the payments of the running requeue runs, one chunk of each run in turn. Postpone a run that fails.

    If payments remain after a time slice, enqueue this task again.
    """
    resources = get_resources()
    clear_enqueued(resources.broker, wire_names.RUN_REQUEUES)
    chunks, has_more = run_time_slice(_requeue(resources, datetime.now(UTC)))
    if has_more:
        enqueue_once(resources.broker, wire_names.RUN_REQUEUES)
    stored = run_in_transaction(resources.database, lambda tx: requeue_runs.store_outcomes(tx, datetime.now(UTC)))
    return f"{sum(chunks):,} chunks examined, {stored:,} outcomes stored"


def _requeue(resources: Resources, now: datetime) -> Iterator[bool]:
    """Requeue the postponed runs that are due, then all others chunk by chunk. Yield the result of each chunk.

    After each chunk, ask the retrier to evaluate the requeued payments.
    """
    kind = WorkKind.REQUEUE_RUN

    def requeue(tx: Transaction, selection: Selection) -> bool:
        return requeue_runs.requeue_chunk_of_next_run(tx, datetime.now(UTC), CHUNK_ROWS, selection)

    yield from retry_postponed(resources.database, kind, requeue, now)
    is_done = False
    while not is_done:
        results = run_or_bisect(resources.database, kind, requeue, Selection(), now)
        enqueue_once(resources.broker, wire_names.RETRY_DUE)
        yield from filter(None, results)
        is_done = results == [False]
