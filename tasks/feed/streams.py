"""The feed as it is divided by company: one stream, or that one and several numbered ones, read and claimed as one.

An entry of a numbered stream is known by its stream's number and its id, `3/1700000000000-0`, wherever it is named: in
messages, in the history, in the log. Of the undivided stream the id alone is enough.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import redis

from payments.contract.stream_entry import StreamEntry
from payments.contract.stream_partition import stream_names
from tasks.feed import stream
from tasks.feed.stream import FeedFigures, Idle, Position


@dataclass(frozen=True)
class Streams:
    """The streams of one feed. Where there is one, each call is the one call that `tasks.feed.stream` makes for it."""

    client: redis.Redis
    name: str
    count: int = 1

    @property
    def names(self) -> tuple[str, ...]:
        """Every stream that is read."""
        return stream_names(self.name, self.count)

    def ensure_groups(self) -> None:
        """Create the streams and their groups, each of which begins with its oldest entry."""
        for name in self.names:
            stream.ensure_group(self.client, name)

    def positions(self) -> dict[str, Position]:
        """Return how far the group is on each stream. Raises NoGroupError."""
        return {name: stream.position(self.client, name) for name in self.names}

    def with_new(self, positions: Mapping[str, Position], wait_ms: int) -> list[str]:
        """Return the streams on which something is new, as soon as there is one or after at most `wait_ms`."""
        return stream.with_new(self.client, {name: at.last_delivered for name, at in positions.items()}, wait_ms)

    def take_new(self, names: Sequence[str], count: int, reply_to: str) -> list[StreamEntry]:
        """Take up to `count` new entries, an equal share of each of these streams, and answer on `reply_to`."""
        return self._taken(stream.take_new(self.client, names, max(1, count // len(names)), reply_to))

    def wait_for_new(self, count: int, wait_ms: int) -> list[StreamEntry]:
        """Take up to `count` new entries of all streams, as soon as there is one or after at most `wait_ms`."""
        return self._taken(stream.wait_for_new(self.client, self.names, max(1, count // self.count), wait_ms))

    def claim(self, entries: Sequence[str]) -> list[StreamEntry]:
        """Take entries over and return them with their bodies; those that are done with are left out."""
        claimed = {name: stream.claim(self.client, name, entry_ids) for name, entry_ids in self._by_stream(entries)}
        return self._taken(claimed)

    def acknowledge(self, entries: Sequence[str]) -> None:
        """Let go of entries that are committed. Lost on the way, it happens again later, which harms nothing."""
        for name, entry_ids in self._by_stream(entries):
            stream.acknowledge(self.client, name, entry_ids)

    def idle(self, idle_ms: int) -> list[Idle]:
        """Return the entries that nobody has touched for so long, oldest first in each stream."""
        return [
            entry._replace(entry_id=self._named(name, entry.entry_id))
            for name in self.names
            for entry in stream.idle(self.client, name, idle_ms)
        ]

    def touch(self, entries: Sequence[str], idle_ms: int) -> list[str]:
        """Mark entries as seen to just now, and return those that still were idle: of two who ask, one gets each."""
        return [
            self._named(name, entry_id)
            for name, entry_ids in self._by_stream(entries)
            for entry_id in stream.touch(self.client, name, entry_ids, idle_ms)
        ]

    def clock_ms(self) -> int:
        """Return the time of the server, the one by which entries lie idle."""
        seconds, microseconds = self.client.time()
        return seconds * 1_000 + microseconds // 1_000

    def length(self) -> int:
        """Return how many entries are on the feed: not yet handed out, or not yet acknowledged."""
        return stream.feed_length(self.client, *self.names)

    def figures(self) -> FeedFigures:
        """Return how the feed stands, all streams together."""
        each = [stream.figures(self.client, name) for name in self.names]
        oldest = [figures.oldest_ms for figures in each if figures.oldest_ms is not None]
        length, unread, outstanding = (sum(column) for column in list(zip(*each, strict=True))[:3])
        return FeedFigures(length, unread, outstanding, min(oldest, default=None))

    def _taken(self, taken: Mapping[str, list[StreamEntry]]) -> list[StreamEntry]:
        return [arrived for name, entries in taken.items() for arrived in self._renamed(name, entries)]

    def _renamed(self, name: str, entries: list[StreamEntry]) -> list[StreamEntry]:
        if name == self.name:
            return entries
        return [entry._replace(entry_id=self._named(name, entry.entry_id)) for entry in entries]

    def _named(self, name: str, entry_id: str) -> str:
        return entry_id if name == self.name else f"{name.removeprefix(f'{self.name}:')}/{entry_id}"

    def _by_stream(self, entries: Sequence[str]) -> Iterator[tuple[str, list[str]]]:
        """Yield each stream that is named, with the ids of its entries; its number tells it, whatever is set here."""
        grouped: dict[str, list[str]] = {}
        for entry in entries:
            number, _, entry_id = entry.rpartition("/")
            grouped.setdefault(f"{self.name}:{number}" if number else self.name, []).append(entry_id)
        yield from grouped.items()
