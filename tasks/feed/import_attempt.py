"""The import attempts of a worker. It reads or claims entries, and imports them or stores them as dead letters."""

import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager

import structlog

from payments.contract.stream_entry import StreamEntry
from payments.core.import_stats import ImportStats
from payments.journeys import retrying
from payments.store.db.connection import is_reachable
from tasks.enqueue import has_following
from tasks.feed.attempt_errors import NotAnsweringError
from tasks.feed.bisection import run_or_bisect
from tasks.feed.leased_import import NOTHING_IMPORTED, Acknowledge, import_leased
from tasks.feed.streams import Streams
from tasks.resources import Resources
from tasks.transactions import run_in_transaction

log = structlog.get_logger()

TIME_SLICE_SECONDS = 1
"""The time slice of a task that imports new entries. The task then ends, so that other tasks can run."""
BLOCK_MS = 50
"""A task waits up to this time for more new entries. If none arrives, its time slice ends."""


def import_new(
    resources: Resources,
    reply_to: str,
    streams: Sequence[str] = (),
    trace: str | None = None,
    acknowledge: Acknowledge | None = None,
) -> ImportStats:
    """Import at most one chunk of new entries of these streams. An empty `streams` means the unnumbered stream.

    After the entries are read, a reply is pushed onto the list `reply_to`, on which the dispatcher waits. `trace` is
    the traceparent of the dispatcher's request. `acknowledge` is called with the ids of committed entries. By default,
    the entries are acknowledged immediately.

    Raises NotAnsweringError if PostgreSQL does not answer. Raises errors that are outages; the entries that are not
    imported by then stay pending.
    """
    names = streams or [resources.settings.stream]
    chunk_events = resources.settings.chunk_events
    return _import(resources, trace, lambda: resources.streams.read_new(names, chunk_events, reply_to), acknowledge)


def import_time_slice(
    resources: Resources, reply_to: str, streams: Sequence[str] = (), trace: str | None = None
) -> Generator[ImportStats, None, None]:
    """Import new entries chunk by chunk for a time slice. Yield the statistics of each chunk after its commit.

    The entries of a chunk are acknowledged in the round trip that reads the next chunk, or at the end of the slice. If
    the import left work for other tasks, they are acknowledged before the chunk's statistics are yielded.

    The slice continues while new entries arrive, because one message per payment would cost more than the import. It
    ends early after a failure. It also ends early if the import released held payments, so that those are imported
    before new ones. Raises the errors of `import_new`.
    """
    ends_at = time.monotonic() + TIME_SLICE_SECONDS
    with _committed_entries(resources.streams) as committed:
        stats = import_new(resources, reply_to, streams, trace, committed.extend)
        while stats != NOTHING_IMPORTED:
            if has_following(stats):
                resources.streams.acknowledge(committed)
                committed.clear()
            yield stats
            if stats.failed or stats.released or time.monotonic() >= ends_at:
                return
            # PostgreSQL has just answered, so it is not checked again.
            entries = resources.streams.read_new_blocking(resources.settings.chunk_events, BLOCK_MS, committed)
            committed.clear()
            if not entries:
                return
            with resources.tracing.chunk_span(trace):
                stats = import_leased(resources, entries, resources.failing_companies, acknowledge=committed.extend)


@contextmanager
def _committed_entries(streams: Streams) -> Iterator[list[str]]:
    """Yield an empty list for the ids of committed entries. At the end, acknowledge the ids that are in the list."""
    committed: list[str] = []
    try:
        yield committed
    finally:
        streams.acknowledge(committed)


def import_unrequested(resources: Resources) -> ImportStats:
    """Import new entries for a time slice, although no message requested it. Return the statistics.

    Raises the errors of `import_new`.
    """
    ends_at, total = time.monotonic() + TIME_SLICE_SECONDS, NOTHING_IMPORTED
    while time.monotonic() < ends_at:
        stats = _import(
            resources, None, lambda: resources.streams.read_new_blocking(resources.settings.chunk_events, BLOCK_MS)
        )
        if stats == NOTHING_IMPORTED:
            break
        total += stats
    return total


def import_entries(resources: Resources, entry_ids: Sequence[str]) -> ImportStats:
    """Claim and import the entries with these ids, which a message of the previous release names.

    Raises the errors of `import_new`.
    """
    return _import(resources, None, lambda: resources.streams.claim(entry_ids))


def _import(
    resources: Resources,
    trace: str | None,
    read: Callable[[], Sequence[StreamEntry]],
    acknowledge: Acknowledge | None = None,
) -> ImportStats:
    """Call `read` to read entries, and import them.

    First raises NotAnsweringError if PostgreSQL does not answer. Otherwise, entries would be read that cannot be
    imported and stay pending.
    """
    if not is_reachable(resources.database):
        raise NotAnsweringError
    with resources.tracing.chunk_span(trace):
        entries = read()
        if not entries:
            return NOTHING_IMPORTED
        return import_leased(resources, entries, resources.failing_companies, acknowledge=acknowledge)


def dead_letter(resources: Resources, entry_ids: Sequence[str], min_idle_ms: int = 0) -> ImportStats:
    """Claim entries whose retries are exhausted, store them as dead letters, and acknowledge them.

    Entries that have been idle for less than `min_idle_ms` are left out. Raises errors that are outages.
    """
    started_ns = time.time_ns()
    entries = resources.streams.claim(entry_ids, min_idle_ms)
    claimed_ids = [entry.entry_id for entry in entries]
    with resources.leases.hold(resources.streams, claimed_ids):
        stats = _store_as_dead_letters(resources, entries)
        resources.tracing.record_attempt(entries, started_ns, str(stats))
        resources.streams.acknowledge(claimed_ids)
    return stats


def _store_as_dead_letters(resources: Resources, entries: Sequence[StreamEntry]) -> ImportStats:
    """Store entries as dead letters. If the database refuses an entry, store it without its parsed fields.

    Raises errors that are outages.
    """

    def store(part: Sequence[StreamEntry], *, with_fields: bool = True) -> ImportStats:
        return run_in_transaction(
            resources.database,
            lambda tx: retrying.dead_letter(tx, part, resources.run_context(), with_fields=with_fields),
        )

    def store_without_fields(entry: StreamEntry, _error: Exception) -> ImportStats:
        log.exception("dead_letter_without_fields", entry_id=entry.entry_id)
        return store([entry], with_fields=False)

    return run_or_bisect(entries, store, store_without_fields)
