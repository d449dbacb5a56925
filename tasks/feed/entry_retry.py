"""Retry pending entries that an importer lost, or that failed alone. Store entries without retries as dead letters.

Redis counts the deliveries of an entry. After one delivery, an entry is undecided: its importer died, met an outage, or
did not find out in time which entry of the chunk fails. An undecided entry is imported in a chunk. From
ISOLATED_DELIVERIES on, an entry is imported alone. If that import fails, it counts as an attempt of the backoff
schedule, unless the reason is an outage.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from functools import partial

import structlog

from payments.contract.stream_entry import named_company
from payments.core.backoff import BackoffSchedule, backoff_delay
from payments.core.import_stats import ImportStats
from payments.store.db.connection import is_reachable
from tasks.feed.attempt_errors import IsolatedEntry, IsolatedEntryError, NotAnsweringError, outage_of
from tasks.feed.import_attempt import dead_letter
from tasks.feed.leased_import import NOTHING_IMPORTED, import_leased
from tasks.feed.leases import LEASE, LEASE_MS
from tasks.feed.pending import ISOLATED_DELIVERIES, PendingEntry
from tasks.resources import Resources

log = structlog.get_logger()

TIME_SLICE_SECONDS = 1
"""The time slice of a task that retries entries. The task then ends, so that other tasks can run."""
DIVISIONS_MAX = 100
"""Maximum number of times that a chunk is divided. It is higher than in an importer, which delays new payments."""
COMPANY_SHARE = 20
"""Maximum number of failed entries of one company that are tried from one page."""


def is_exhausted(schedule: BackoffSchedule, entry: PendingEntry) -> bool:
    """Return whether an entry has failed after every step of its backoff schedule."""
    return _backoff_delay(schedule, entry) is None


def is_due(schedule: BackoffSchedule, entry: PendingEntry) -> bool:
    """Return whether the lease and the backoff delay of an entry are over, so that it can be retried or dead-lettered.

    An exhausted entry has no backoff delay.
    """
    return entry.idle_ms >= (LEASE + (_backoff_delay(schedule, entry) or timedelta())) // timedelta(milliseconds=1)


def retry_entries(resources: Resources) -> tuple[ImportStats, bool]:
    """Import or dead-letter due entries for a time slice. Return the statistics, and whether due entries may remain.

    Entries that an importer lost come first. The entries that wait for a retry follow, from the position at which the
    last task of this process stopped. Each entry is claimed shortly before its import. If another worker has claimed
    it, it is skipped.

    Raises NotAnsweringError and errors that are outages. If an entry that was imported alone met the outage, raises
    IsolatedEntryError.
    """
    if not is_reachable(resources.database):
        raise NotAnsweringError
    ends_at, total = time.monotonic() + TIME_SLICE_SECONDS, NOTHING_IMPORTED
    steps = _RetrySteps(resources)
    for step in steps:
        if time.monotonic() >= ends_at:
            return total, True
        total += step()
    return total, steps.has_more


class _RetrySteps:
    """The functions that import or dead-letter the due entries. The caller calls each of them once.

    After the last call, `has_more` is True if entries may remain.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self.has_more = False

    def __iter__(self) -> Iterator[Callable[[], ImportStats]]:
        resources = self._resources
        yield from self._steps_for(resources.streams.importers_entries(LEASE_MS))
        rotation = resources.retry_rotation
        is_whole_rotation, is_last = rotation.is_at_start, False
        while not is_last:
            page, is_last = rotation.next_page(resources.streams, LEASE_MS)
            yield from self._steps_for(page)
        self.has_more |= not is_whole_rotation

    def _steps_for(self, idle: Sequence[PendingEntry]) -> Iterator[Callable[[], ImportStats]]:
        """Yield a function for each import or dead-lettering of these idle entries, if they are due.

        Undecided and exhausted entries are handled in chunks, failed entries one by one.
        """
        resources, schedule = self._resources, self._resources.settings.retry_ladder
        due = [each for each in idle if is_due(schedule, each)]
        failed = [each for each in due if each.deliveries >= ISOLATED_DELIVERIES]
        for chunk in _chunks(resources, [each for each in due if each.deliveries < ISOLATED_DELIVERIES]):
            yield partial(_import_chunk, resources, chunk)
        for each in self._fair_share([each for each in failed if not is_exhausted(schedule, each)]):
            yield partial(_import_alone, resources, each)
        for chunk in _chunks(resources, [each for each in failed if is_exhausted(schedule, each)]):
            yield partial(_dead_letter_chunk, resources, chunk)

    def _fair_share(self, failed: Sequence[PendingEntry]) -> list[PendingEntry]:
        """Return at most COMPANY_SHARE entries of each company, so that one company's entries do not delay the others.

        If entries are left out, `has_more` becomes True.
        """
        if len(failed) <= COMPANY_SHARE:
            return list(failed)
        bodies = self._resources.streams.bodies([each.entry_id for each in failed])
        taken: Counter[str | None] = Counter()
        shared = []
        for each in failed:
            company = named_company(bodies.get(each.entry_id, b""))
            if taken[company] < COMPANY_SHARE:
                taken[company] += 1
                shared.append(each)
        self.has_more |= len(shared) < len(failed)
        return shared


def _import_chunk(resources: Resources, chunk: Sequence[PendingEntry]) -> ImportStats:
    """Claim and import undecided entries. If this importer is lost too, each entry is later imported alone."""
    entries = resources.streams.claim(_entry_ids(chunk), LEASE_MS)
    if not entries:
        return NOTHING_IMPORTED
    log.info("entries_claimed", entries=len(entries))
    return import_leased(resources, entries, divisions_max=DIVISIONS_MAX)


def _dead_letter_chunk(resources: Resources, chunk: Sequence[PendingEntry]) -> ImportStats:
    log.warning("entries_dead_lettered", entries=len(chunk))
    return dead_letter(resources, _entry_ids(chunk), LEASE_MS)


def _import_alone(resources: Resources, pending: PendingEntry) -> ImportStats:
    """Claim and import one entry. The claim already counts as an attempt, in case the import ends the process.

    In an outage, the attempt is not counted, and IsolatedEntryError is raised.
    """
    entries = resources.streams.claim([pending.entry_id], LEASE_MS)
    if not entries:
        return NOTHING_IMPORTED
    try:
        return import_leased(resources, entries)
    except Exception as error:
        if reason := outage_of(error):
            resources.streams.release_for_retry([pending.entry_id], pending.deliveries)
            raise IsolatedEntryError(reason, IsolatedEntry(pending.entry_id, pending.deliveries)) from error
        raise


def _backoff_delay(schedule: BackoffSchedule, entry: PendingEntry) -> timedelta | None:
    """Return the backoff delay of an entry, which begins when its lease ends. Return None after the last retry.

    The delay is zero for an entry that an importer lost, but that did not fail.
    """
    failures = entry.deliveries - 1
    return backoff_delay(schedule, failures, entry.entry_id) if failures else timedelta()


def _chunks(resources: Resources, entries: Sequence[PendingEntry]) -> Iterable[Sequence[PendingEntry]]:
    size = resources.settings.chunk_events
    return (entries[first : first + size] for first in range(0, len(entries), size))


def _entry_ids(entries: Sequence[PendingEntry]) -> list[str]:
    return [entry.entry_id for entry in entries]
