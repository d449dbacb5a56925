"""Retry pending entries that an importer lost or that failed alone, and dead-letter those without retries left.

Redis counts the deliveries of an entry. One delivery: it was read, and its importer died or met an outage; the entry is
imported again in a chunk. From ISOLATED_DELIVERIES on it is imported alone, and each such import that fails counts as
an attempt of the backoff schedule. An outage does not.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from functools import partial

import structlog

from payments.core.backoff import BackoffSchedule, backoff_delay
from payments.core.import_stats import ImportStats
from payments.store.db.connection import is_reachable
from tasks.feed.attempt_errors import IsolatedEntryError, NotAnsweringError, Witness, outage_of
from tasks.feed.import_attempt import NOTHING, dead_letter, import_leased
from tasks.feed.leases import LEASE, LEASE_MS
from tasks.feed.stream import ISOLATED_DELIVERIES, PendingEntry
from tasks.resources import Resources

log = structlog.get_logger()

TIME_SLICE_SECONDS = 1
"""The time slice in which one task retries entries. Then it ends, so that other tasks can run."""


def is_exhausted(schedule: BackoffSchedule, entry: PendingEntry) -> bool:
    """Return whether an entry has failed after every step of its backoff schedule."""
    return _delay(schedule, entry) is None


def is_due(schedule: BackoffSchedule, entry: PendingEntry) -> bool:
    """Return whether an entry's lease and its backoff delay are over, or its retries are exhausted."""
    return entry.idle_ms >= (LEASE + (_delay(schedule, entry) or timedelta())) // timedelta(milliseconds=1)


def retry_entries(resources: Resources) -> tuple[ImportStats, bool]:
    """Import or dead-letter the due entries for a time slice. Return the statistics, and whether due entries remain.

    Entries are claimed shortly before their import, and only if no other worker has claimed them. Raises
    NotAnsweringError, and the error of an outage: IsolatedEntryError if it met an entry that was imported alone.
    """
    if not is_reachable(resources.database):
        raise NotAnsweringError
    schedule, ends_at = resources.settings.retry_ladder, time.monotonic() + TIME_SLICE_SECONDS
    idle = [each for each in resources.streams.pending_entries(LEASE_MS) if is_due(schedule, each)]
    total = NOTHING
    for step in _steps(resources, idle):
        if time.monotonic() >= ends_at:
            return total, True
        total += step()
    return total, False


def _steps(resources: Resources, idle: Sequence[PendingEntry]) -> Iterator[Callable[[], ImportStats]]:
    """Yield the calls that import or dead-letter the entries: lost ones in chunks, then failed ones alone."""
    lost = [each for each in idle if each.deliveries < ISOLATED_DELIVERIES]
    failed = [each for each in idle if each.deliveries >= ISOLATED_DELIVERIES]
    exhausted = [each for each in failed if is_exhausted(resources.settings.retry_ladder, each)]
    for chunk in _chunks(resources, lost):
        yield partial(_import_chunk, resources, chunk)
    for each in failed:
        if not is_exhausted(resources.settings.retry_ladder, each):
            yield partial(_import_alone, resources, each)
    for chunk in _chunks(resources, exhausted):
        yield partial(_dead_letter_chunk, resources, chunk)


def _import_chunk(resources: Resources, chunk: Sequence[PendingEntry]) -> ImportStats:
    """Claim and import entries that were lost once. If this import fails or is lost too, each is imported alone."""
    entries = resources.streams.claim(_ids(chunk), LEASE_MS)
    if not entries:
        return NOTHING
    log.info("entries_claimed", entries=len(entries))
    return import_leased(resources, entries)


def _dead_letter_chunk(resources: Resources, chunk: Sequence[PendingEntry]) -> ImportStats:
    log.warning("entries_dead_lettered", entries=len(chunk))
    return dead_letter(resources, _ids(chunk), LEASE_MS)


def _import_alone(resources: Resources, pending: PendingEntry) -> ImportStats:
    """Claim and import one entry. The claim counts as an attempt, because a process that it ends can record nothing.

    Raises IsolatedEntryError in an outage, after the attempt was taken back.
    """
    entries = resources.streams.claim([pending.entry_id], LEASE_MS)
    if not entries:
        return NOTHING
    try:
        return import_leased(resources, entries)
    except Exception as error:
        if reason := outage_of(error):
            resources.streams.set_deliveries([pending.entry_id], pending.deliveries)
            raise IsolatedEntryError(reason, Witness(pending.entry_id, pending.deliveries)) from error
        raise


def _delay(schedule: BackoffSchedule, entry: PendingEntry) -> timedelta | None:
    """Return how long an entry waits after its lease; none if it was only lost. Exhausted retries give None."""
    failures = entry.deliveries - 1
    return backoff_delay(schedule, failures, entry.entry_id) if failures else timedelta()


def _chunks(resources: Resources, entries: Sequence[PendingEntry]) -> Iterable[Sequence[PendingEntry]]:
    size = resources.settings.chunk_events
    return (entries[first : first + size] for first in range(0, len(entries), size))


def _ids(entries: Sequence[PendingEntry]) -> list[str]:
    return [entry.entry_id for entry in entries]
