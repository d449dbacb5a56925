"""Redeliver entries that an importer read and lost, and dead-letter entries that have no retries left.

An entry is leased to an importer while it is pending and idle for less than LEASE. After LEASE the importer may have
lost the entry. The entry is redelivered when its backoff delay, which grows with its number of deliveries, is over too.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta

import structlog

from payments.core.backoff import BackoffSchedule, backoff_delay
from tasks import wire_names
from tasks.enqueue import send
from tasks.feed.clocks import ServerClock, monotonic_ms
from tasks.feed.stream import PendingEntry
from tasks.feed.streams import Streams

log = structlog.get_logger()

LEASE = timedelta(seconds=5)
"""How long an importer may work on a delivered entry before the entry counts as lost."""
ISOLATE_AFTER_DELIVERIES = 2
"""After this many deliveries an entry is imported alone, because it may be what makes its chunk fail."""

CHECKED_PER_SWEEP, LOGGED_IDS_MAX = 500, 20


class Redelivery:
    """Periodic sweep over the pending entries of a feed. `idle_count`: entries past their lease in the last sweep."""

    def __init__(self, streams: Streams, backoff_schedule: BackoffSchedule, chunk_events: int) -> None:
        self._streams, self._backoff_schedule, self._chunk_events = streams, backoff_schedule, chunk_events
        self.clock = ServerClock()
        self.idle_count = self._next_to_check = 0

    def sweep(self) -> None:
        """Redeliver or dead-letter the pending entries whose lease and backoff delay are over.

        Entries that were deleted from their stream are acknowledged, because nothing can be redelivered.
        """
        if self.clock.detect_setback(self._streams.server_time_ms(), monotonic_ms()):
            self._restart_leases()
        idle = self._without_deleted(self._streams.pending_entries(_milliseconds(LEASE)))
        self.idle_count = len(idle)
        self.redeliver(idle)

    def redeliver(self, idle: Sequence[PendingEntry]) -> None:
        """Redeliver the idle entries that are due, and dead-letter the idle entries whose retries are exhausted.

        Each entry is claimed first. If several dispatchers run, only the dispatcher that claimed an entry sends it.
        """
        claimed = self._claim([entry for entry in idle if self._is_due(entry)])
        for entry_ids in self._batches(claimed):
            send(wire_names.IMPORT_EVENTS, entry_ids=entry_ids)
        if claimed:
            log.info("entries_redelivered", entries=len(claimed))
        exhausted = self._claim([entry for entry in idle if self._backoff_delay(entry) is None])
        if exhausted:
            send(wire_names.DEAD_LETTER, entry_ids=[entry.entry_id for entry in exhausted])
            log.warning("entries_dead_lettered", entries=len(exhausted))

    def _without_deleted(self, idle: Sequence[PendingEntry]) -> list[PendingEntry]:
        """Acknowledge the idle entries that are no longer on their stream, and return the remaining idle entries.

        Each sweep checks all entries that are due, and CHECKED_PER_SWEEP of the entries that still wait, in rotation.
        """
        first = self._next_to_check if self._next_to_check < len(idle) else 0
        self._next_to_check = first + CHECKED_PER_SWEEP
        checked = {entry.entry_id for entry in idle[first : self._next_to_check]}
        checked |= {entry.entry_id for entry in idle if self._is_due(entry) or self._backoff_delay(entry) is None}
        deleted = self._streams.acknowledge_deleted(sorted(checked))
        if deleted:
            log.error("entries_deleted_from_stream", entries=len(deleted), entry_ids=deleted[:LOGGED_IDS_MAX])
        return [entry for entry in idle if entry.entry_id not in deleted]

    def _is_due(self, entry: PendingEntry) -> bool:
        delay = self._backoff_delay(entry)
        return delay is not None and entry.idle_ms >= _milliseconds(LEASE + delay)

    def _backoff_delay(self, entry: PendingEntry) -> timedelta | None:
        """Return how long the entry waits after its lease, or None if its retries are exhausted."""
        return backoff_delay(self._backoff_schedule, entry.deliveries, entry.entry_id)

    def _claim(self, entries: Sequence[PendingEntry]) -> list[PendingEntry]:
        """Claim these entries, and return the entries that no other dispatcher claimed first."""
        if not entries:
            return []
        claimed_ids = set(self._streams.claim_idle([entry.entry_id for entry in entries], _milliseconds(LEASE)))
        return [entry for entry in entries if entry.entry_id in claimed_ids]

    def _batches(self, entries: Sequence[PendingEntry]) -> Iterator[list[str]]:
        """Yield the entry ids of each message: chunks first, then each suspicious entry alone."""
        together = [entry.entry_id for entry in entries if entry.deliveries < ISOLATE_AFTER_DELIVERIES]
        for first in range(0, len(together), self._chunk_events):
            yield together[first : first + self._chunk_events]
        for entry in entries:
            if entry.deliveries >= ISOLATE_AFTER_DELIVERIES:
                yield [entry.entry_id]

    def _restart_leases(self) -> None:
        """Reset all idle times after Redis's clock was set back. Otherwise they stay 0 until the clock catches up."""
        pending = [entry.entry_id for entry in self._streams.pending_entries(0)]
        log.warning("redis_clock_set_back", entries=len(pending))
        if pending:
            self._streams.claim_idle(pending, 0)


def _milliseconds(length: timedelta) -> int:
    return length // timedelta(milliseconds=1)
