"""Count the entries of a stream that wait: undelivered and pending entries.

The length of the stream is a different number, because acknowledged entries may be kept (PAYMENTS_KEEP_ENTRIES).
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import redis

from tasks.feed.stream import GROUP

COUNTED_MAX = 1_000
"""If Redis does not report the lag, up to this number of undelivered entries are counted one by one."""
_LOWEST_ID = "0-0"


class StreamState(NamedTuple):
    """The state of a stream and its consumer group. Without a group, `pending` is 0 and `last_delivered_id` is `0-0`.

    `newest_id` is None if the stream is empty. `lag` is the number of undelivered entries according to Redis. It is
    None for Redis up to 6.2, and after undelivered entries were deleted.
    """

    length: int
    pending: int
    last_delivered_id: str
    newest_id: str | None
    lag: int | None
    has_group: bool

    @property
    def may_hold_kept(self) -> bool:
        """Whether the stream may hold acknowledged entries."""
        return self.has_group and self.length > 0 and (self.lag is None or self.length > self.pending + self.lag)


class WaitingEntries(NamedTuple):
    """The number of undelivered, pending and kept entries of one stream."""

    undelivered: int
    pending: int
    kept: int


def parse_id(entry_id: str) -> tuple[int, int]:
    """Return the two numbers of a plain entry id. Redis orders entries by these numbers."""
    milliseconds, _, sequence = entry_id.partition("-")
    return int(milliseconds), int(sequence)


def read_states(client: redis.Redis, streams: Sequence[str]) -> list[StreamState]:
    """Return the states of these streams, in one round trip. A stream that does not exist is returned as empty."""
    with client.pipeline(transaction=False) as pipeline:
        for stream in streams:
            pipeline.xinfo_groups(stream)
            pipeline.xinfo_stream(stream)
        answers = pipeline.execute(raise_on_error=False)
    return [_stream_state(*each) for each in zip(answers[::2], answers[1::2], strict=True)]


def count_waiting(client: redis.Redis, streams: Sequence[str]) -> list[WaitingEntries]:
    """Return the numbers of undelivered, pending and kept entries of each of these streams.

    If the lag is None, up to COUNTED_MAX undelivered entries are counted. If there are more, every entry that is not
    pending counts as undelivered.
    """
    found = []
    for stream, state in zip(streams, read_states(client, streams), strict=True):
        undelivered = _undelivered_count(client, stream, state)
        kept = max(0, state.length - state.pending - undelivered)
        found.append(WaitingEntries(undelivered, state.pending, kept))
    return found


def oldest_waiting_ids(client: redis.Redis, stream: str, plausible_since_ms: int) -> tuple[str, ...]:
    """Return the id of the oldest waiting entry, and that of the oldest one whose time is plausible.

    A time is plausible from `plausible_since_ms` on, in Unix milliseconds. If both ids are the same, it is returned
    once. If no entry waits, the result is empty.
    """
    (state,) = read_states(client, [stream])
    found = (oldest_waiting_id(client, stream, state, start) for start in (_LOWEST_ID, f"{plausible_since_ms}-0"))
    return tuple(dict.fromkeys(filter(None, found)))


def oldest_waiting_id(client: redis.Redis, stream: str, state: StreamState, start: str = _LOWEST_ID) -> str | None:
    """Return the lowest id of a pending or undelivered entry, but no id below `start`. Return None if there is none."""
    first_undelivered = max(f"({state.last_delivered_id}", start, key=lambda each: parse_id(each.lstrip("(")))
    with client.pipeline(transaction=False) as pipeline:
        pipeline.xrange(stream, min=first_undelivered, count=1)
        if state.pending:
            pipeline.xpending_range(stream, GROUP, min=start, max="+", count=1)
        undelivered, *pending = pipeline.execute()
    ids = [entry_id.decode() for entry_id, _ in undelivered]
    ids += [entry["message_id"].decode() for each in pending for entry in each]
    return min(ids, key=parse_id, default=None)


def entries_between(
    client: redis.Redis, stream: str, first: str, last: str, page: int
) -> Iterator[list[tuple[str, dict[bytes, bytes]]]]:
    """Yield pages of the entries of a stream from `first` to `last`.

    `first` and `last` are bounds of XRANGE: an id, or `(` and an id that is not included.
    """
    while True:
        answer = cast("list[tuple[bytes, dict[bytes, bytes] | None]]", client.xrange(stream, first, last, count=page))
        if answer:
            yield [(entry_id.decode(), fields or {}) for entry_id, fields in answer]
        if len(answer) < page:
            return
        first = f"({answer[-1][0].decode()}"


def _stream_state(groups: Any, stream: Any) -> StreamState:
    for answer in (groups, stream):
        if isinstance(answer, Exception):
            if "no such key" in str(answer):
                return StreamState(0, 0, _LOWEST_ID, None, 0, has_group=False)
            raise answer
    length, newest = stream["length"], stream["last-entry"]
    newest_id = newest[0].decode() if newest else None
    for group in groups:
        if group["name"] == GROUP.encode():
            last_delivered_id = group["last-delivered-id"].decode()
            lag = _lag(group, stream, last_delivered_id)
            return StreamState(length, group["pending"], last_delivered_id, newest_id, lag, has_group=True)
    return StreamState(length, 0, _LOWEST_ID, newest_id, length, has_group=False)


def _lag(group: Mapping[str, Any], stream: Mapping[str, Any], last_delivered_id: str) -> int | None:
    """Return the lag that Redis reports.

    If Redis reports none because the last delivered entry was deleted, compute the lag from the counters.
    """
    lag, read = group.get("lag"), group.get("entries-read")
    if lag is None and read is not None:
        newest_deleted_id = stream["max-deleted-entry-id"].decode()
        if parse_id(newest_deleted_id) <= parse_id(last_delivered_id):
            lag = stream["entries-added"] - read
    return lag


def _undelivered_count(client: redis.Redis, stream: str, state: StreamState) -> int:
    """Return the number of undelivered entries.

    Redis 7 may still count trimmed entries in the lag. So the ids are compared first: if the newest entry on the stream
    was delivered, no entry is undelivered.
    """
    if state.newest_id is None or parse_id(state.newest_id) <= parse_id(state.last_delivered_id):
        return 0
    if state.lag is not None:
        return max(1, min(state.lag, state.length))
    counted = len(cast("list[Any]", client.xrange(stream, min=f"({state.last_delivered_id}", count=COUNTED_MAX + 1)))
    return counted if counted <= COUNTED_MAX else max(counted, state.length - state.pending)
