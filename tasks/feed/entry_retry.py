"""Retry pending entries that an importer lost or that failed alone. Dead-letter entries without retries left.

Redis counts the deliveries of an entry. After one delivery, an entry is undecided: its importer died, met an outage, or
did not find out in time which entry of the chunk fails. It is imported again in a chunk. From ISOLATED_DELIVERIES on,
an entry is imported alone. Each of these imports that fails counts as an attempt of the backoff schedule. An outage
does not count.
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
from tasks.feed.attempt_errors import IsolatedEntryError, NotAnsweringError, Witness, outage_of
from tasks.feed.import_attempt import dead_letter
from tasks.feed.leased_import import NOTHING_IMPORTED, import_leased
from tasks.feed.leases import LEASE, LEASE_MS
from tasks.feed.pending import ISOLATED_DELIVERIES, PendingEntry
from tasks.resources import Resources

log = structlog.get_logger()

TIME_SLICE_SECONDS = 1
"""The time slice in which one task retries entries. Then it ends, so that other tasks can run."""
DIVISIONS_MAX = 100
"""How often a chunk is divided. The retrier delays no new payments, so it decides more entries than an importer."""
COMPANY_SHARE = 20
"""How many entries of a page that failed alone are tried for one company, until all pages were visited."""


def is_exhausted(schedule: BackoffSchedule, entry: PendingEntry) -> bool:
    """Return whether an entry has failed after every step of its backoff schedule."""
    return _delay(schedule, entry) is None


def is_due(schedule: BackoffSchedule, entry: PendingEntry) -> bool:
    """Return whether an entry's lease and its backoff delay are over, or its retries are exhausted."""
    return entry.idle_ms >= (LEASE + (_delay(schedule, entry) or timedelta())) // timedelta(milliseconds=1)


def retry_entries(resources: Resources) -> tuple[ImportStats, bool]:
    """Import or dead-letter the due entries for a time slice. Return the statistics, and whether some may remain.

    Entries that an importer lost come first. Then come the entries that wait for a retry, from where the last task of
    this process stopped. Each entry is claimed shortly before its import, and only if no other worker has claimed it.

    Raises NotAnsweringError, and the error of an outage. If an entry that was imported alone met the outage, the error
    is IsolatedEntryError.
    """
    if not is_reachable(resources.database):
        raise NotAnsweringError
    ends_at, total = time.monotonic() + TIME_SLICE_SECONDS, NOTHING_IMPORTED
    steps = _Steps(resources)
    for step in steps:
        if time.monotonic() >= ends_at:
            return total, True
        total += step()
    return total, steps.has_more


class _Steps:
    """The calls that import or dead-letter due entries.

    After the last call, `has_more` tells whether entries may remain.
    """

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self.has_more = False

    def __iter__(self) -> Iterator[Callable[[], ImportStats]]:
        resources = self._resources
        yield from self._of(resources.streams.importers_entries(LEASE_MS))
        rotation = resources.retry_rotation
        is_whole_rotation, is_last = rotation.is_at_start, False
        while not is_last:
            page, is_last = rotation.next_page(resources.streams, LEASE_MS)
            yield from self._of(page)
        self.has_more |= not is_whole_rotation

    def _of(self, idle: Sequence[PendingEntry]) -> Iterator[Callable[[], ImportStats]]:
        """Yield the calls for idle entries.

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
        """Return at most COMPANY_SHARE entries of each company, so that no company waits for all entries of another."""
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
    """Claim and import undecided entries. If this import is lost as well, each entry is then imported alone."""
    entries = resources.streams.claim(_ids(chunk), LEASE_MS)
    if not entries:
        return NOTHING_IMPORTED
    log.info("entries_claimed", entries=len(entries))
    return import_leased(resources, entries, divisions_max=DIVISIONS_MAX)


def _dead_letter_chunk(resources: Resources, chunk: Sequence[PendingEntry]) -> ImportStats:
    log.warning("entries_dead_lettered", entries=len(chunk))
    return dead_letter(resources, _ids(chunk), LEASE_MS)


def _import_alone(resources: Resources, pending: PendingEntry) -> ImportStats:
    """Claim and import one entry. The claim counts as an attempt: an import that ends the process cannot record one.

    Raises IsolatedEntryError in an outage. The attempt is then not counted.
    """
    entries = resources.streams.claim([pending.entry_id], LEASE_MS)
    if not entries:
        return NOTHING_IMPORTED
    try:
        return import_leased(resources, entries)
    except Exception as error:
        if reason := outage_of(error):
            resources.streams.release_for_retry([pending.entry_id], pending.deliveries)
            raise IsolatedEntryError(reason, Witness(pending.entry_id, pending.deliveries)) from error
        raise


def _delay(schedule: BackoffSchedule, entry: PendingEntry) -> timedelta | None:
    """Return the time that an entry waits after its lease. It is zero for an entry that was only lost.

    Returns None if the retries are exhausted.
    """
    failures = entry.deliveries - 1
    return backoff_delay(schedule, failures, entry.entry_id) if failures else timedelta()


def _chunks(resources: Resources, entries: Sequence[PendingEntry]) -> Iterable[Sequence[PendingEntry]]:
    size = resources.settings.chunk_events
    return (entries[first : first + size] for first in range(0, len(entries), size))


def _ids(entries: Sequence[PendingEntry]) -> list[str]:
    return [entry.entry_id for entry in entries]
