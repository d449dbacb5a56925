"""Watch the pending entries of a feed: let importers retry those that are due, and report those that were deleted."""

from collections.abc import Sequence

import redis
import structlog

from payments.core.backoff import BackoffSchedule
from tasks import wire_names
from tasks.enqueue import enqueue_once
from tasks.feed.clocks import ServerClock, monotonic_ms
from tasks.feed.entry_retry import is_due
from tasks.feed.leases import LEASE_MS
from tasks.feed.stream import PendingEntry
from tasks.feed.streams import Streams

log = structlog.get_logger()

CHECKED_PER_SWEEP, LOGGED_IDS_MAX = 500, 20


class Redelivery:
    """Periodic sweep over the pending entries of a feed. `idle_count`: entries past their lease in the last sweep."""

    def __init__(self, streams: Streams, broker: redis.Redis, backoff_schedule: BackoffSchedule) -> None:
        self._streams, self._broker, self._backoff_schedule = streams, broker, backoff_schedule
        self.clock = ServerClock()
        self.idle_count = self._next_to_check = 0

    def sweep(self) -> None:
        """Enqueue one task if entries are due. It names none of them: the importer claims what is due when it runs.

        Entries that were deleted from their stream are acknowledged, because nothing can be imported.
        """
        if self.clock.detect_setback(self._streams.server_time_ms(), monotonic_ms()):
            self._restart_leases()
        idle = self._without_deleted(self._streams.pending_entries(LEASE_MS))
        self.idle_count = len(idle)
        if any(self._is_due(entry) for entry in idle):
            enqueue_once(self._broker, wire_names.RETRY_ENTRIES)

    def _without_deleted(self, idle: Sequence[PendingEntry]) -> list[PendingEntry]:
        """Acknowledge the idle entries that are no longer on their stream, and return the remaining idle entries.

        Each sweep checks all entries that are due, and CHECKED_PER_SWEEP of the entries that still wait, in rotation.
        """
        first = self._next_to_check if self._next_to_check < len(idle) else 0
        self._next_to_check = first + CHECKED_PER_SWEEP
        checked = {entry.entry_id for entry in idle[first : self._next_to_check]}
        checked |= {entry.entry_id for entry in idle if self._is_due(entry)}
        deleted = self._streams.acknowledge_deleted(sorted(checked))
        if deleted:
            log.error("entries_deleted_from_stream", entries=len(deleted), entry_ids=deleted[:LOGGED_IDS_MAX])
        return [entry for entry in idle if entry.entry_id not in deleted]

    def _is_due(self, entry: PendingEntry) -> bool:
        return is_due(self._backoff_schedule, entry)

    def _restart_leases(self) -> None:
        """Reset all idle times after Redis's clock was set back. Otherwise they stay 0 until the clock catches up."""
        pending = [entry.entry_id for entry in self._streams.pending_entries(0)]
        log.warning("redis_clock_set_back", entries=len(pending))
        if pending:
            self._streams.renew(pending)
