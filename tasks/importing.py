"""The tasks of importer and retrier. They import new entries, and retry pending entries, due lines and dead letters."""

from collections.abc import Iterable, Sequence

from payments.core.import_stats import ImportStats
from tasks import wire_names
from tasks.app import app
from tasks.enqueue import clear_enqueued, enqueue_following, enqueue_once
from tasks.feed import entry_retry, import_attempt, outage, retry_attempt
from tasks.resources import Resources, get_resources

DUE_LIMIT = 500


@app.task(name="payments.import_events")
def import_events(
    *,
    entry_ids: list[str] | None = None,
    reply_to: str = "",
    streams: Sequence[str] = (),
    trace: str | None = None,
    **_future: object,
) -> str:
    """Import new entries of `streams` for a time slice. If `streams` is empty, import from the unnumbered stream.

    A message of the previous release has `entry_ids` instead. Then only the entries with these ids are imported.
    """
    resources = get_resources()
    with outage.report_outages(resources.feed):
        if entry_ids:
            return _enqueue_following(resources, [import_attempt.import_entries(resources, entry_ids)])
        return _enqueue_following(resources, import_attempt.import_time_slice(resources, reply_to, streams, trace))


@app.task(name="payments.retry_entries")
def retry_entries(**_future: object) -> str:
    """Import or dead-letter the pending entries that are due. If some remain, enqueue this task again."""
    resources = get_resources()
    clear_enqueued(resources.broker, wire_names.RETRY_ENTRIES)
    with outage.report_outages(resources.feed):
        stats, has_more = entry_retry.retry_entries(resources)
    if has_more:
        enqueue_once(resources.broker, wire_names.RETRY_ENTRIES)
    return _enqueue_following(resources, [stats])


@app.task(name="payments.give_up")
def dead_letter(*, entry_ids: list[str], **_future: object) -> str:
    """Store entries whose retries are exhausted as dead letters. Only the previous release sends this task."""
    resources = get_resources()
    return _enqueue_following(resources, [import_attempt.dead_letter(resources, entry_ids)])


@app.task(name="payments.retry_due")
def retry_due(**_future: object) -> str:
    """Re-evaluate due lines and dead letters. If work remains, enqueue this task again."""
    resources = get_resources()
    clear_enqueued(resources.broker, wire_names.RETRY_DUE)
    with outage.report_outages(resources.feed):
        stats, has_more = retry_attempt.retry_due(resources, DUE_LIMIT)
    if has_more:
        enqueue_once(resources.broker, wire_names.RETRY_DUE)
    return _enqueue_following(resources, [stats])


def _enqueue_following(resources: Resources, chunks: Iterable[ImportStats]) -> str:
    """After each chunk, enqueue the tasks that continue its work. Return the total statistics as text."""
    total = ImportStats()
    for stats in chunks:
        enqueue_following(resources.broker, stats)
        total += stats
    return str(total)
