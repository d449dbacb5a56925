"""Import kept entries again after PostgreSQL may have lost the commits of their import (PAYMENTS_KEEP_ENTRIES).

After a failover to an asynchronous standby of PostgreSQL, the latest commits are missing, although their entries were
acknowledged. A replay reads the acknowledged entries and imports each chunk in a transaction, as an importer does.
Payments that Billing already has do not change. Pending and new entries are left to the importers, which may run during
the replay.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, cast

import structlog

from payments.contract.stream_entry import StreamEntry
from payments.core.import_stats import ImportStats
from payments.journeys import importing
from payments.store.db.connection import Transaction
from tasks.feed.attempt_errors import summary_of
from tasks.feed.bisection import run_or_bisect
from tasks.feed.entries import keep_field_lists, stream_entry
from tasks.feed.lag import milliseconds
from tasks.feed.pending import pending_ids_among
from tasks.feed.streams import Streams
from tasks.feed.waiting import entries_between, parse_id, read_states
from tasks.resources import Resources
from tasks.transactions import run_in_transaction

log = structlog.get_logger()

APPLICATION_NAME = "payments replay"
"""PostgreSQL's `application_name` for the sessions of a replay."""


class UnverifiedEntriesError(Exception):
    """An entry is signed, and this process has no keys to verify the signature. No entry of its chunk was imported."""


class ReplayRange(NamedTuple):
    """The entries of one stream to replay. `first` and `last` are bounds of XRANGE, both inclusive."""

    stream: str
    first: str
    last: str


@dataclass
class ReplayStats:
    """Counts of a replay.

    `read` is the number of kept entries that were read. `changed` is the number of entries that changed data. `pending`
    is the number of pending entries that were skipped. `failed` are the ids of the entries that failed alone, without
    an outage. `oldest` and `newest` are the ids of the entries that were published first and last.
    """

    read: int = 0
    changed: int = 0
    pending: int = 0
    failed: list[str] = field(default_factory=list)
    oldest: str | None = None
    newest: str | None = None

    def record_ids(self, entry_ids: Sequence[str]) -> None:
        """Count kept entries that were read. `entry_ids` are their ids without the stream number."""
        self.read += len(entry_ids)
        known = [each for each in (self.oldest, self.newest) if each]
        self.oldest = min([*known, *entry_ids], key=parse_id, default=None)
        self.newest = max([*known, *entry_ids], key=parse_id, default=None)


def plan_replay(streams: Streams, since: datetime, until: datetime | None = None) -> list[ReplayRange]:
    """Return, for each stream, the range of ids of entries that were published from `since` until before `until`.

    Only delivered entries are included. Raises RedisError.
    """
    names = streams.all_names()
    ranges = []
    for name, state in zip(names, read_states(streams.client, names), strict=True):
        last = state.last_delivered_id
        if until is not None:
            last = min(last, f"{max(0, milliseconds(until) - 1)}-{2**64 - 1}", key=parse_id)
        ranges.append(ReplayRange(name, f"{max(0, milliseconds(since))}-0", last))
    return [each for each in ranges if parse_id(each.first) <= parse_id(each.last)]


class Replay:
    """One replay. `stats` holds its counts so far. Nothing else may use the client `resources.feed` meanwhile.

    With `dry_run`, each transaction is rolled back. A payment that several chunks change is then counted several times.
    """

    def __init__(self, resources: Resources, *, dry_run: bool = False) -> None:
        self._resources, self._streams, self._dry_run = resources, resources.streams, dry_run
        self.stats = ReplayStats()
        keep_field_lists(resources.feed, ["XRANGE"])

    def run(self, ranges: Sequence[ReplayRange]) -> Iterator[ImportStats]:
        """Import the acknowledged entries of these ranges. Yield the statistics of each chunk after its commit.

        Raises UnverifiedEntriesError, RedisError, and errors that are outages. The chunks before the error stay
        imported, and the replay can be repeated.
        """
        size = self._resources.settings.chunk_events
        for stream, first, last in ranges:
            for page in entries_between(self._resources.feed, stream, first, last, size):
                entries = self._read_acknowledged(stream, cast("Any", page))
                yield run_or_bisect(entries, self._import_chunk, self._count_failure) if entries else ImportStats()

    def _read_acknowledged(self, stream: str, page: Sequence[tuple[str, Sequence[bytes]]]) -> list[StreamEntry]:
        """Count the entries of a page. Return those that are not pending, with qualified ids.

        Raises UnverifiedEntriesError.
        """
        pending = pending_ids_among(self._resources.feed, stream, [entry_id for entry_id, _ in page])
        entries = [stream_entry(entry_id.encode(), fields) for entry_id, fields in page if entry_id not in pending]
        if not self._resources.keyring.is_used and any(entry.signature for entry in entries):
            raise UnverifiedEntriesError
        self.stats.pending += len(page) - len(entries)
        self.stats.record_ids([entry.entry_id for entry in entries])
        return [each._replace(entry_id=self._streams.qualified_id(stream, each.entry_id)) for each in entries]

    def _import_chunk(self, entries: Sequence[StreamEntry]) -> ImportStats:
        stats = run_in_transaction(self._resources.database, lambda tx: self._import(tx, entries))
        self.stats.changed += stats.changed
        return stats

    def _count_failure(self, entry: StreamEntry, error: Exception) -> ImportStats:
        log.warning("replayed_entry_failed", entry_id=entry.entry_id, error=summary_of(error))
        self.stats.failed.append(entry.entry_id)
        return ImportStats(failed=1)

    def _import(self, tx: Transaction, entries: Sequence[StreamEntry]) -> ImportStats:
        stats = importing.replay_events(tx, entries, self._resources.run_context())
        if self._dry_run:
            tx.rollback()
        return stats
