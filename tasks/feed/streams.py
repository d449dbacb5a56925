"""The whole feed: one unnumbered stream and, if configured, numbered streams that are partitioned by company.

Each method works on all streams. In messages, in the history and in the log, an entry of a numbered stream has a
qualified id: the stream's number and the entry's id, for example `3/1700000000000-0`. For an entry of the unnumbered
stream, the qualified id is the entry's id.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple, Self, TypeVar

import redis

from config.setting_groups import FeedSettings
from config.setting_types import STREAMS_MAX
from payments.contract.stream_entry import StreamEntry
from payments.contract.stream_partition import stream_names
from tasks.feed import pending, stream
from tasks.feed.deleted_entries import acknowledge_deleted, deleted_count, report_deleted, trimmed_early_count
from tasks.feed.lag import plausible_since_ms
from tasks.feed.pending import FIRST_PAGE, PageRequest, PendingEntry
from tasks.feed.stream import GROUP, CommittedEntries, GroupState
from tasks.feed.waiting import count_waiting, oldest_waiting_ids

_AnyEntry = TypeVar("_AnyEntry", StreamEntry, PendingEntry)


class FeedStats(NamedTuple):
    """Numbers of entries: undelivered, pending, kept, and deleted while they were pending.

    `trimmed_early` is the number of kept entries that were deleted early, because the memory of Redis was short.
    `oldest_ids` are the qualified ids from which `tasks.feed.lag` measures the lag.
    """

    undelivered: int
    pending: int
    kept: int
    deleted: int
    trimmed_early: int
    oldest_ids: tuple[str, ...]


@dataclass(frozen=True)
class Streams:
    """The streams of one feed: the unnumbered stream `name` and, if `count` exceeds 1, `count` numbered streams.

    With `keeps`, acknowledged entries stay on their stream until `tasks.feed.trimming` deletes them.
    """

    client: redis.Redis
    name: str
    count: int = 1
    keeps: bool = False

    @classmethod
    def from_settings(cls, client: redis.Redis, settings: FeedSettings) -> Self:
        """Return the streams of the feed that these settings describe."""
        return cls(client, settings.stream, settings.streams, keeps=bool(settings.keep_entries))

    @property
    def names(self) -> tuple[str, ...]:
        """The name of every stream that is read."""
        return stream_names(self.name, self.count)

    def unread_names(self) -> list[str]:
        """Return the streams that hold unprocessed entries but are not read: their number is above `count`."""
        filled = self._extra_names_with_entries()
        waiting = count_waiting(self.client, filled)
        return [name for name, each in zip(filled, waiting, strict=True) if each.undelivered or each.pending]

    def all_names(self) -> list[str]:
        """Return all streams that are read, and the numbered streams above the configured count that hold entries."""
        return [*self.names, *self._extra_names_with_entries()]

    def _extra_names_with_entries(self) -> list[str]:
        first = 0 if self.count == 1 else self.count
        others = [f"{self.name}:{number}" for number in range(first, STREAMS_MAX)]
        with self.client.pipeline(transaction=False) as pipeline:
            for name in others:
                pipeline.xlen(name)
            return [name for name, length in zip(others, pipeline.execute(), strict=True) if length]

    def ensure_groups(self) -> None:
        """Create missing streams and consumer groups. A new group starts with the oldest entry."""
        for name in self.names:
            stream.ensure_group(self.client, name)

    def group_states(self) -> dict[str, GroupState]:
        """Return the state of each stream's consumer group. Raises NoGroupError if one does not exist."""
        return {name: stream.group_state(self.client, name) for name in self.names}

    def wait_for_new(self, states: Mapping[str, GroupState], block_ms: int) -> list[str]:
        """Wait up to `block_ms` for new entries. Return the streams that have undelivered entries."""
        last_ids = {name: state.last_delivered_id for name, state in states.items()}
        return stream.wait_for_new(self.client, last_ids, block_ms)

    def read_new(self, names: Sequence[str], count: int, reply_to: str) -> list[StreamEntry]:
        """Read up to `count` new entries, with an equal share for each stream: at least one.

        Then push a reply onto the list `reply_to`.
        """
        return self._merge(stream.read_new(self.client, names, max(1, count // len(names)), reply_to))

    def read_new_blocking(self, count: int, block_ms: int, committed_ids: Sequence[str] = ()) -> list[StreamEntry]:
        """Acknowledge committed entries and read up to `count` new ones. If there are none, wait up to `block_ms`."""
        share, grouped = max(1, count // self.count), self._group_by_stream(committed_ids)
        committed = [CommittedEntries(name, ids, self.keeps) for name, ids in grouped]
        return self._merge(stream.read_new_blocking(self.client, self.names, share, block_ms, committed))

    def read_one_new(self) -> list[StreamEntry]:
        """Read one new entry of any stream, without waiting. Return an empty list if there is no new entry."""
        for name in self.names:
            if found := stream.read_new_blocking(self.client, [name], 1, block_ms=None):
                return self._merge(found)
        return []

    def claim(self, entry_ids: Sequence[str], min_idle_ms: int = 0, deliveries: int | None = None) -> list[StreamEntry]:
        """XCLAIM entries for the importer. Return the claimed entries. See `stream.claim`."""
        claimed: dict[str, list[StreamEntry]] = {}
        for name, ids in self._group_by_stream(entry_ids):
            claimed[name], deleted = stream.claim(self.client, name, ids, min_idle_ms, deliveries)
            self._report_deleted(name, deleted)
        return self._merge(claimed)

    def isolate(self, entry_ids: Sequence[str]) -> None:
        """Let failed entries wait for a retry that imports each entry alone. Reset their idle times."""
        for name, ids in self._group_by_stream(entry_ids):
            self._report_deleted(name, pending.isolate(self.client, name, ids))

    def release_for_retry(self, entry_ids: Sequence[str], deliveries: int, idle_ms: int | None = None) -> None:
        """Let pending entries wait for a retry. Set the number of deliveries and the idle time (default: 0) of each."""
        for name, ids in self._group_by_stream(entry_ids):
            self._report_deleted(name, pending.release_for_retry(self.client, name, ids, deliveries, idle_ms))

    def _report_deleted(self, name: str, entry_ids: Sequence[str]) -> None:
        report_deleted(self.client, [self.qualified_id(name, each) for each in entry_ids])

    def renew(self, entry_ids: Sequence[str], consumer: str = stream.IMPORTER) -> None:
        """Reset the idle time of a consumer's pending entries. The numbers of deliveries do not change."""
        for name, ids in self._group_by_stream(entry_ids):
            stream.renew(self.client, name, ids, consumer)

    def acknowledge(self, entry_ids: Sequence[str]) -> None:
        """Acknowledge committed entries. Delete them, unless entries are kept.

        If the acknowledgement fails, the entries are delivered again.
        """
        for name, ids in self._group_by_stream(entry_ids):
            if self.keeps:
                self.client.xack(name, GROUP, *ids)
            else:
                stream.acknowledge_and_delete(self.client, name, ids)

    def pending_entries(self, min_idle_ms: int) -> list[PendingEntry]:
        """Return the pending entries that have been idle for at least `min_idle_ms`, oldest first in each stream."""
        return [
            each
            for name in self.names
            for each in self._with_qualified_ids(name, pending.pending_entries(self.client, name, min_idle_ms))
        ]

    def importers_entries(self, min_idle_ms: int) -> list[PendingEntry]:
        """Return the entries that are pending with importers and have been idle for at least `min_idle_ms`.

        Entries that wait for a retry are left out.
        """
        return [
            each
            for name in self.names
            for each in self._with_qualified_ids(name, pending.importers_entries(self.client, name, min_idle_ms))
        ]

    def waiting_page(self, name: str, min_idle_ms: int, page: PageRequest = FIRST_PAGE) -> list[PendingEntry]:
        """Return one page of the entries of stream `name` that wait for a retry. The returned ids are qualified.

        The position in `page` is an id without the stream number.
        """
        return self._with_qualified_ids(name, pending.waiting_page(self.client, name, min_idle_ms, page))

    def bodies(self, entry_ids: Sequence[str]) -> dict[str, bytes]:
        """Return the events of entries by id, without claiming the entries. Deleted entries are left out."""
        return {
            self.qualified_id(name, entry_id): body
            for name, ids in self._group_by_stream(entry_ids)
            for entry_id, body in stream.bodies(self.client, name, ids).items()
        }

    def has_pending(self) -> bool:
        """Return whether any entry is pending. Raises NoGroupError if a consumer group does not exist."""
        return any(stream.group_state(self.client, name).pending_count for name in self.names)

    def is_pending(self, entry_id: str) -> bool:
        """Return whether an entry is pending."""
        return any(pending.deliveries_of(self.client, name, ids) for name, ids in self._group_by_stream([entry_id]))

    def server_time_ms(self) -> int:
        """Return the time of the Redis server in Unix milliseconds. The server's clock measures idle times."""
        seconds, microseconds = self.client.time()
        return seconds * 1_000 + microseconds // 1_000

    def waiting_count(self) -> int:
        """Return the number of undelivered and pending entries."""
        return sum(each.undelivered + each.pending for each in count_waiting(self.client, self.names))

    def acknowledge_deleted(self, entry_ids: Sequence[str]) -> list[str]:
        """Acknowledge and report pending entries that are no longer on a stream. Return the acknowledged ids."""
        deleted = [
            self.qualified_id(name, entry_id)
            for name, ids in self._group_by_stream(entry_ids)
            for entry_id in acknowledge_deleted(self.client, name, GROUP, ids)
        ]
        report_deleted(self.client, deleted)
        return deleted

    def stats(self, now: datetime) -> FeedStats:
        """Return the statistics of all streams together. `now` is the current time."""
        since_ms = plausible_since_ms(now)
        waiting = count_waiting(self.client, self.names)
        oldest = {name: oldest_waiting_ids(self.client, name, since_ms) for name in self.names}
        return FeedStats(
            undelivered=sum(each.undelivered for each in waiting),
            pending=sum(each.pending for each in waiting),
            kept=sum(each.kept for each in waiting),
            deleted=deleted_count(self.client),
            trimmed_early=trimmed_early_count(self.client),
            oldest_ids=tuple(self.qualified_id(name, each) for name, ids in oldest.items() for each in ids),
        )

    def _merge(self, by_stream: Mapping[str, list[StreamEntry]]) -> list[StreamEntry]:
        """Return the entries of all streams in one list, with qualified ids."""
        return [entry for name, entries in by_stream.items() for entry in self._with_qualified_ids(name, entries)]

    def _with_qualified_ids(self, name: str, entries: list[_AnyEntry]) -> list[_AnyEntry]:
        if name == self.name:
            return entries
        return [entry._replace(entry_id=self.qualified_id(name, entry.entry_id)) for entry in entries]

    def qualified_id(self, name: str, entry_id: str) -> str:
        """Return the qualified id of an entry of the stream `name`."""
        return entry_id if name == self.name else f"{name.removeprefix(f'{self.name}:')}/{entry_id}"

    def _group_by_stream(self, entry_ids: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
        """Yield the name of each stream in these qualified ids, and its ids without the stream number."""
        grouped: dict[str, list[str]] = {}
        for entry_id in entry_ids:
            number, _, plain_id = entry_id.rpartition("/")
            grouped.setdefault(f"{self.name}:{number}" if number else self.name, []).append(plain_id)
        yield from grouped.items()
