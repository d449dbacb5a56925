"""Sweep over the pending entries of a feed. Enqueue the retry of due entries, and report deleted entries."""

from collections.abc import Sequence

import redis
import structlog

from payments.core.backoff import BackoffSchedule
from tasks import wire_names
from tasks.enqueue import enqueue_once
from tasks.feed.clocks import ServerClock, monotonic_ms
from tasks.feed.entry_retry import is_due
from tasks.feed.leases import LEASE_MS
from tasks.feed.pending import PendingEntry
from tasks.feed.retry_rotation import RetryRotation
from tasks.feed.stream import IMPORTER, RETRY
from tasks.feed.streams import Streams

log = structlog.get_logger()

PAGES_PER_SWEEP = 5
CHECKED_PER_SWEEP = 100
"""Maximum number of waiting entries that a sweep looks up. It is low, because a sweep delays the next import."""


class Redelivery:
    """Periodic sweep over the pending entries of a feed.

    `lost_count` is the number of importers' entries that had lost their lease at the last sweep.
    """

    def __init__(self, streams: Streams, broker: redis.Redis, backoff_schedule: BackoffSchedule) -> None:
        self._streams, self._broker, self._backoff_schedule = streams, broker, backoff_schedule
        self._rotation = RetryRotation()
        self._deleted_rotation = RetryRotation(CHECKED_PER_SWEEP)
        self.clock = ServerClock()
        self.lost_count = 0

    def sweep(self) -> None:
        """Enqueue the task that retries entries if any entry is due. The task claims the due entries when it runs.

        A sweep examines all entries that an importer has lost, and the next pages of the entries that wait for a retry.
        Entries that were deleted from their stream are acknowledged, because they cannot be imported. A sweep looks for
        such entries only among the lost entries and CHECKED_PER_SWEEP waiting entries. The retrier finds the others
        when it claims them.
        """
        if self.clock.detect_setback(self._streams.server_time_ms(), monotonic_ms()):
            self._restart_leases()
        lost = self._without_deleted(self._streams.importers_entries(LEASE_MS))
        self.lost_count = len(lost)
        self._without_deleted(self._deleted_rotation.next_page(self._streams, LEASE_MS).entries)
        if any(is_due(self._backoff_schedule, entry) for entry in lost) or self._any_waiting_is_due():
            enqueue_once(self._broker, wire_names.RETRY_ENTRIES)

    def _any_waiting_is_due(self) -> bool:
        """Return whether the next pages of the entries that wait for a retry contain a due entry."""
        for _ in range(PAGES_PER_SWEEP):
            page, is_last = self._rotation.next_page(self._streams, LEASE_MS)
            if any(is_due(self._backoff_schedule, entry) for entry in page):
                return True
            if is_last:
                return False
        return False

    def _without_deleted(self, idle: Sequence[PendingEntry]) -> list[PendingEntry]:
        """Acknowledge the entries that are no longer on their stream, and return the others."""
        deleted = self._streams.acknowledge_deleted([entry.entry_id for entry in idle])
        return [entry for entry in idle if entry.entry_id not in deleted]

    def _restart_leases(self) -> None:
        """Reset all idle times, because the clock of Redis was set back.

        Otherwise the idle times would stay 0 until the clock has caught up.
        """
        in_progress = {entry.entry_id for entry in self._streams.importers_entries(0)}
        waiting = [each.entry_id for each in self._streams.pending_entries(0) if each.entry_id not in in_progress]
        log.warning("redis_clock_set_back", entries=len(in_progress) + len(waiting))
        self._streams.renew(sorted(in_progress), IMPORTER)
        self._streams.renew(waiting, RETRY)
