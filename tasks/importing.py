"""The messages that move payments: import these entries, give these up, take up what is due."""

from collections.abc import Iterable, Sequence

from payments.core.import_stats import ImportStats
from tasks import enqueue
from tasks.app import app
from tasks.detecting import detect_exceptions
from tasks.distributing import apply_at_once
from tasks.feed import import_attempt
from tasks.resources import Resources, resources

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
    """Import what is new on the feed, or these entries of it, into the ledger."""
    here = resources()
    if entry_ids:
        return _summary(here, [import_attempt.import_entries(here, entry_ids)])
    return _summary(here, import_attempt.import_turn(here, reply_to, streams, trace))


@app.task(name="payments.give_up")
def give_up(*, entry_ids: list[str], **_future: object) -> str:
    """Set these entries aside, visible and whole: every try has failed."""
    here = resources()
    return _summary(here, [import_attempt.give_up(here, entry_ids)])


@app.task(name="payments.retry_due")
def retry_due(**_future: object) -> str:
    """Judge again what waits or was requeued and whose time has come; what is left goes on in another message."""
    here = resources()
    enqueue.take(here.broker, retry_due)
    stats, is_cut = import_attempt.retry_due(here, DUE_LIMIT)
    if is_cut:
        enqueue.give(here.broker, retry_due)
    return _summary(here, [stats])


def _summary(here: Resources, tallies: Iterable[ImportStats]) -> str:
    """Return the result that operators read; after each part of the work those who take it from here get a hint."""
    whole = ImportStats()
    for stats in tallies:
        if stats.released:
            enqueue.give(here.broker, retry_due)
        if stats.to_examine:
            enqueue.give(here.broker, detect_exceptions)
        if stats.to_distribute:
            enqueue.give(here.broker, apply_at_once)
        whole += stats
    return str(whole)
