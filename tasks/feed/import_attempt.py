"""Import attempts of a worker: read or claim entries, import them in one transaction, acknowledge after the commit.

If a chunk fails, it is bisected, so that an entry that cannot be processed does not stop the others.
"""

import time
from collections.abc import Callable, Iterator, Sequence

import structlog
from celery.exceptions import SoftTimeLimitExceeded

from payments.contract.stream_entry import StreamEntry
from payments.core.import_stats import ImportStats
from payments.journeys import importing, retrying
from payments.store.db.connection import ConcurrentWriteError, Transaction, is_reachable, is_transient, transaction
from tasks.resources import Resources

log = structlog.get_logger()

CONCURRENT_WRITES_MAX = 3
"""How often a transaction is tried that loses against a concurrent write."""
NEW_TIME_SLICE_SECONDS, RETRY_TIME_SLICE_SECONDS = 1, 2
"""How long one task goes on importing new entries, and retrying what is due, before others get their turn."""
BLOCK_MS = 50
"""How long a task waits for more new entries before it ends its time slice."""
ERROR_CHARACTERS_MAX = 300
NOTHING = ImportStats()


class NotAnsweringError(Exception):
    """PostgreSQL does not answer. Nothing was read from the stream, and the attempt can be repeated later."""


def import_new(
    resources: Resources, reply_to: str, streams: Sequence[str] = (), trace: str | None = None
) -> ImportStats:
    """Import at most one chunk of new entries of these streams, or of the unnumbered stream if none are named.

    Reading the entries pushes a reply onto the list `reply_to`, on which the dispatcher waits. `trace` is the
    traceparent of its request.

    Raises NotAnsweringError if PostgreSQL does not answer, and retryable errors; then the entries that were not
    imported stay pending.
    """
    names = streams or [resources.settings.stream]
    chunk_events = resources.settings.chunk_events
    return _import(resources, trace, lambda: resources.streams.read_new(names, chunk_events, reply_to))


def import_time_slice(
    resources: Resources, reply_to: str, streams: Sequence[str] = (), trace: str | None = None
) -> Iterator[ImportStats]:
    """Import new entries chunk by chunk for a time slice, and yield the statistics of each chunk after its commit.

    For a lone payment, a message would cost more than its import; so the slice goes on while more entries arrive. It
    ends early after a failure and after a release, because redelivered and released payments come before new ones.
    Raises the errors of `import_new`.
    """
    ends_at = time.monotonic() + NEW_TIME_SLICE_SECONDS
    stats = import_new(resources, reply_to, streams, trace)
    while stats != NOTHING:
        yield stats
        if stats.failed or stats.released or time.monotonic() >= ends_at:
            return
        # PostgreSQL has just answered, so it is not checked again.
        entries = resources.streams.read_new_blocking(resources.settings.chunk_events, BLOCK_MS)
        if not entries:
            return
        with resources.tracing.chunk_span(trace):
            stats = _import_or_bisect(resources, entries)


def import_entries(resources: Resources, entry_ids: Sequence[str]) -> ImportStats:
    """Claim and import entries that were delivered before. Raises the errors of `import_new`."""
    return _import(resources, None, lambda: resources.streams.claim(entry_ids))


def _import(resources: Resources, trace: str | None, read: Callable[[], Sequence[StreamEntry]]) -> ImportStats:
    """Read entries and import them. PostgreSQL is checked first, because each delivery counts as an attempt."""
    if not is_reachable(resources.database):
        raise NotAnsweringError
    with resources.tracing.chunk_span(trace):
        entries = read()
        return _import_or_bisect(resources, entries) if entries else NOTHING


def _import_or_bisect(resources: Resources, entries: Sequence[StreamEntry]) -> ImportStats:
    """Import entries in one transaction. After an error that is not retryable, import each half separately.

    A single entry that fails stays pending and is counted as failed. Raises retryable errors.
    """
    started_ns = time.time_ns()
    try:
        stats = _in_transaction(resources, lambda tx: importing.import_events(tx, entries, resources.run_context()))
    except Exception as error:
        is_last = len(entries) == 1
        if is_last or _is_retryable(error):
            _record_failure(resources, entries, error)
            resources.tracing.record_attempt(entries, started_ns, error)
        if _is_retryable(error):
            raise
        if is_last:
            log.exception("entry_failed", entry_id=entries[0].entry_id)
            return ImportStats(failed=1)
        log.warning("chunk_split", entries=len(entries), error_class=type(error).__name__)
    else:
        resources.tracing.record_attempt(entries, started_ns, str(stats))
        resources.streams.acknowledge([entry.entry_id for entry in entries])
        return stats
    half = len(entries) // 2
    return _import_or_bisect(resources, entries[:half]) + _import_or_bisect(resources, entries[half:])


def dead_letter(resources: Resources, entry_ids: Sequence[str]) -> ImportStats:
    """Store entries whose retries are exhausted as dead letters, and acknowledge them."""
    started_ns = time.time_ns()
    entries = resources.streams.claim(entry_ids)
    stats = _in_transaction(resources, lambda tx: retrying.dead_letter(tx, entries, resources.run_context()))
    resources.tracing.record_attempt(entries, started_ns, str(stats))
    # Includes ids that could not be claimed: before Redis 7.0 a deleted entry stays in the list of pending entries.
    resources.streams.acknowledge(entry_ids)
    return stats


def retry_due(
    resources: Resources, limit: int, time_slice_seconds: int = RETRY_TIME_SLICE_SECONDS
) -> tuple[ImportStats, bool]:
    """Retry due lines and dead letters for a time slice, `limit` in a transaction.

    Returns the statistics and whether the slice ended with work left. The slice is short, so that new payments do not
    wait for a large requeue. What fails is postponed alone; retryable errors are raised.
    """
    stats, ends_at = ImportStats(), time.monotonic() + time_slice_seconds
    for journey, postpone in (
        (retrying.retry_due, retrying.postpone_line),
        (importing.retry_dead_letters, retrying.postpone_dead_letter),
    ):
        while (batch := _retry_or_postpone(resources, journey, postpone, limit)).evaluated:
            stats += batch
            if time.monotonic() >= ends_at:
                return stats, True
    return stats, False


def _retry_or_postpone(
    resources: Resources, journey: Callable[..., ImportStats], postpone: Callable[..., ImportStats], limit: int
) -> ImportStats:
    """Retry up to `limit` rows. After an error, retry half as many; a single row that fails is postponed."""
    try:
        return _in_transaction(resources, lambda tx: journey(tx, resources.run_context(), limit))
    except Exception as error:
        if _is_retryable(error):
            raise
        if limit > 1:
            return _retry_or_postpone(resources, journey, postpone, limit // 2)
        log.exception("retry_postponed")
        summary = _summary(error)
        return _in_transaction(resources, lambda tx: postpone(tx, resources.run_context(), summary))


def _in_transaction(resources: Resources, work: Callable[[Transaction], ImportStats]) -> ImportStats:
    """Run `work` in a transaction, again after each ConcurrentWriteError up to CONCURRENT_WRITES_MAX times."""
    for _ in range(CONCURRENT_WRITES_MAX):
        try:
            with transaction(resources.database) as tx:
                return work(tx)
        except ConcurrentWriteError:
            log.info("concurrent_write_detected")
    raise ConcurrentWriteError(f"lost to concurrent writes {CONCURRENT_WRITES_MAX} times")


def _is_retryable(error: Exception) -> bool:
    """Return whether the same attempt may succeed later. A task that ran out of time is retryable too."""
    return isinstance(error, SoftTimeLimitExceeded | NotAnsweringError) or is_transient(error)


def _record_failure(resources: Resources, entries: Sequence[StreamEntry], error: Exception) -> None:
    """Record the failed attempt in the history. If that fails, log it and go on."""
    try:
        with transaction(resources.database) as tx:
            retrying.record_failure(tx, entries, _summary(error), resources.run_context())
    except Exception:
        log.exception("failure_not_recorded", entries=len(entries))


def _summary(error: Exception) -> str:
    """Return the class and the first line of an error. Later lines may quote the statement and its values."""
    first_line = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {first_line}"[:ERROR_CHARACTERS_MAX]
