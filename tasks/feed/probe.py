"""Probe an outage: import entries one at a time in the dispatcher's process until the outage is over.

The first entry that fails is the blocked entry. The outage is over when the blocked entry can be imported. Successful
imports of other entries usually prove nothing: while a table is missing, only the events that need this table fail.

Some reasons, such as a lock, can be caused by a single payment. If another entry then posts to the ledger, the outage
is over: only the blocked entry fails. This failure then counts as an attempt.

If there is no blocked entry, and the reason affects every payment, such as a lost connection, the outage is over when
any entry posts to the ledger. Otherwise a feed that never becomes empty would be imported entry by entry forever.
"""

import time
from typing import NamedTuple

import structlog

from payments.contract.stream_entry import StreamEntry
from payments.core.import_stats import ImportStats
from payments.core.outage import OutageReason
from payments.store.db.connection import is_reachable
from tasks.feed import outage
from tasks.feed.attempt_errors import IsolatedEntry, outage_of
from tasks.feed.clocks import monotonic_ms
from tasks.feed.leased_import import import_leased
from tasks.feed.leases import LEASE_MS
from tasks.feed.outage import Outage
from tasks.feed.pending import ISOLATED_DELIVERIES, PendingEntry
from tasks.feed.retry_rotation import RetryRotation
from tasks.resources import Resources

log = structlog.get_logger()

INTERVALS_MS = (0, 500, 1_000, 2_000, 5_000, 10_000)
"""The time to wait before each round of probes. The last value repeats."""
ROUND_SECONDS = 1
"""A round ends after this time, even if no entry showed whether the outage is over."""


class ProbeResult(NamedTuple):
    """The result of importing one entry as a probe.

    `reason` is the reason of the outage if the import has failed. Otherwise it is None, and `stats` are the statistics
    of the import.
    """

    entry: IsolatedEntry
    stats: ImportStats = ImportStats()
    reason: OutageReason | None = None

    @property
    def has_posted(self) -> bool:
        """Whether the import posted or updated a payment. A removal does not count."""
        return bool(self.stats.imported or self.stats.updated)


class RoundResult(NamedTuple):
    """The result of a round of probes: the outage, or None if it is over.

    `has_more` means that the round ran out of time while entries could still be imported. The next round then follows
    immediately.
    """

    outage: Outage | None
    has_more: bool = False


class Probe:
    """Probes outages, one at a time. `resources` are the resources of this process."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._rounds = 0
        self._next_ms = 0

    def wait_ms(self) -> int:
        """Return the milliseconds until the next round is due."""
        return max(0, self._next_ms - monotonic_ms())

    def probe(self, found: Outage) -> bool:
        """Run a round of probes. If the outage is over, close the breaker and return True.

        Otherwise keep the breaker open, store the blocked entry, and return False. Raises RedisError.
        """
        still, has_more = self._probe_round(found)
        if still is None:
            outage.clear(self._resources.feed, found)
            self._rounds = self._next_ms = 0
            return True
        if not has_more:
            self._rounds += 1
            self._next_ms = monotonic_ms() + INTERVALS_MS[min(self._rounds, len(INTERVALS_MS) - 1)]
        outage.report(self._resources.feed, still.reason, still.blocked_entry)
        return False

    def _probe_round(self, found: Outage) -> RoundResult:
        """Import the blocked entry. Then import other entries, if they can show whether the outage is over."""
        if not is_reachable(self._resources.database):
            return RoundResult(found._replace(reason=OutageReason.DATABASE_UNAVAILABLE))
        if found.blocked_entry and (result := self._import_blocked(found.blocked_entry)):
            if result.reason is None:
                return RoundResult(None)
            found = found._replace(reason=result.reason)
        if found.blocked_entry and not found.reason.may_concern_one_payment:
            return RoundResult(found)
        return self._import_others(found)

    def _import_others(self, found: Outage) -> RoundResult:
        """Import entries other than the blocked one, until one fails or one shows that the outage is over."""
        ends_at = time.monotonic() + ROUND_SECONDS
        while time.monotonic() < ends_at:
            result = self._import_next(found.blocked_entry)
            if result is None:
                is_over = not (found.blocked_entry or self._resources.streams.has_pending())
                return RoundResult(None if is_over else found)
            if result.reason:
                return RoundResult(
                    found._replace(reason=result.reason, blocked_entry=found.blocked_entry or result.entry)
                )
            if result.has_posted and found.reason.affects_every_payment and not found.blocked_entry:
                return RoundResult(None)
            if result.has_posted and found.reason.may_concern_one_payment:
                if found.blocked_entry:
                    self._count_attempt(found.blocked_entry)
                return RoundResult(None)
        return RoundResult(found, has_more=True)

    def _import_blocked(self, blocked: IsolatedEntry) -> ProbeResult | None:
        """Import the blocked entry. Return None if another process holds it.

        If the entry is no longer pending, another process has imported it. The result then reports no outage.
        """
        if not self._resources.streams.is_pending(blocked.entry_id):
            return ProbeResult(blocked)
        return self._import(blocked)

    def _import_next(self, blocked: IsolatedEntry | None) -> ProbeResult | None:
        """Import an entry other than the blocked one. Return None if there is none, or if another process holds it.

        Idle entries that an importer lost come first, then new entries, then entries that failed before.
        """
        streams = self._resources.streams
        waiting = RetryRotation().next_page(streams, LEASE_MS).entries
        idle = [
            each
            for each in (*streams.importers_entries(LEASE_MS), *waiting)
            if not blocked or each.entry_id != blocked.entry_id
        ]
        lost = next((each for each in idle if each.deliveries < ISOLATED_DELIVERIES), None)
        if lost is None and (entries := streams.read_one_new()):
            return self._attempt(IsolatedEntry(entries[0].entry_id, 1), entries)
        chosen: PendingEntry | None = lost or next(iter(idle), None)
        return self._import(IsolatedEntry(chosen.entry_id, chosen.deliveries)) if chosen else None

    def _import(self, entry: IsolatedEntry) -> ProbeResult | None:
        """Claim and import a pending entry. Its number of deliveries does not change.

        Return None if the claim fails, because another process holds or has imported the entry.
        """
        entries = self._resources.streams.claim([entry.entry_id], LEASE_MS, entry.deliveries)
        return self._attempt(entry, entries) if entries else None

    def _attempt(self, entry: IsolatedEntry, entries: list[StreamEntry]) -> ProbeResult:
        try:
            return ProbeResult(entry, import_leased(self._resources, entries))
        except Exception as error:
            if reason := outage_of(error):
                return ProbeResult(entry, reason=reason)
            raise

    def _count_attempt(self, entry: IsolatedEntry) -> None:
        """Count the failed import of an entry as an attempt, and schedule its retry."""
        self._resources.streams.release_for_retry([entry.entry_id], entry.deliveries + 1)
        log.warning("entry_failed", entry_id=entry.entry_id)
