"""Probe an outage: import entries one at a time in the dispatcher's process until the outage is over.

The first entry that fails becomes the witness. The outage is over when the witness can be imported. Other entries
usually prove nothing: while a table is missing, the events that need it fail and all others succeed. Some reasons, such
as a lock, may concern a single entry. In this case, the outage is over when another entry posts to the ledger. The
witness alone has then failed, which counts as an attempt at the witness.

Before there is a witness, any entry that posts to the ledger ends an outage that affects every payment, such as a lost
connection. Otherwise a feed that never becomes empty would be imported entry by entry forever.
"""

import time
from typing import NamedTuple

import structlog

from payments.contract.stream_entry import StreamEntry
from payments.core.import_stats import ImportStats
from payments.core.outage import OutageReason
from payments.store.db.connection import is_reachable
from tasks.feed import outage
from tasks.feed.attempt_errors import Witness, outage_of
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
    """The result of importing one entry as a probe: the statistics, or the reason of the outage that the entry met."""

    witness: Witness
    stats: ImportStats = ImportStats()
    reason: OutageReason | None = None

    @property
    def has_posted(self) -> bool:
        """Whether the import changed the ledger."""
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

        Otherwise keep the breaker open and store the witness. Raises RedisError.
        """
        still, has_more = self._probe_round(found)
        if still is None:
            outage.clear(self._resources.feed, found)
            self._rounds = self._next_ms = 0
            return True
        if not has_more:
            self._rounds += 1
            self._next_ms = monotonic_ms() + INTERVALS_MS[min(self._rounds, len(INTERVALS_MS) - 1)]
        outage.report(self._resources.feed, still.reason, still.witness)
        return False

    def _probe_round(self, found: Outage) -> RoundResult:
        """Import the witness. Then import other entries, if these can show whether the outage is over."""
        if not is_reachable(self._resources.database):
            return RoundResult(found._replace(reason=OutageReason.DATABASE_UNAVAILABLE))
        if found.witness and (result := self._import_witness(found.witness)):
            if result.reason is None:
                return RoundResult(None)
            found = found._replace(reason=result.reason)
        if found.witness and not found.reason.may_concern_one_payment:
            return RoundResult(found)
        return self._import_others(found)

    def _import_others(self, found: Outage) -> RoundResult:
        """Import entries other than the witness, until one fails or one shows that the outage is over."""
        ends_at = time.monotonic() + ROUND_SECONDS
        while time.monotonic() < ends_at:
            result = self._import_next(found.witness)
            if result is None:
                is_over = not (found.witness or self._resources.streams.has_pending())
                return RoundResult(None if is_over else found)
            if result.reason:
                return RoundResult(found._replace(reason=result.reason, witness=found.witness or result.witness))
            if result.has_posted and found.reason.affects_every_payment and not found.witness:
                return RoundResult(None)
            if result.has_posted and found.reason.may_concern_one_payment:
                if found.witness:
                    self._count_attempt(found.witness)
                return RoundResult(None)
        return RoundResult(found, has_more=True)

    def _import_witness(self, witness: Witness) -> ProbeResult | None:
        """Import the witness. Return None if another process has claimed it first.

        If the witness is no longer pending, another process has imported it. The result then reports no outage.
        """
        if not self._resources.streams.is_pending(witness.entry_id):
            return ProbeResult(witness)
        return self._import(witness)

    def _import_next(self, witness: Witness | None) -> ProbeResult | None:
        """Import an entry other than the witness. Return None if there is none.

        Idle entries that an importer lost come first, then new entries, then entries that failed before.
        """
        streams = self._resources.streams
        waiting = RetryRotation().next_page(streams, LEASE_MS).entries
        idle = [
            each
            for each in (*streams.importers_entries(LEASE_MS), *waiting)
            if not witness or each.entry_id != witness.entry_id
        ]
        lost = next((each for each in idle if each.deliveries < ISOLATED_DELIVERIES), None)
        if lost is None and (entries := streams.read_one_new()):
            return self._attempt(Witness(entries[0].entry_id, 1), entries)
        chosen: PendingEntry | None = lost or next(iter(idle), None)
        return self._import(Witness(chosen.entry_id, chosen.deliveries)) if chosen else None

    def _import(self, entry: Witness) -> ProbeResult | None:
        """Claim and import a pending entry without changing its number of deliveries.

        Returns None if another process has claimed it.
        """
        entries = self._resources.streams.claim([entry.entry_id], LEASE_MS, entry.deliveries)
        return self._attempt(entry, entries) if entries else None

    def _attempt(self, entry: Witness, entries: list[StreamEntry]) -> ProbeResult:
        try:
            return ProbeResult(entry, import_leased(self._resources, entries))
        except Exception as error:
            if reason := outage_of(error):
                return ProbeResult(entry, reason=reason)
            raise

    def _count_attempt(self, witness: Witness) -> None:
        """Count the failed import of the witness as an attempt, because another entry was posted."""
        self._resources.streams.release_for_retry([witness.entry_id], witness.deliveries + 1)
        log.warning("entry_failed", entry_id=witness.entry_id)
