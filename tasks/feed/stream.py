"""One stream of the feed as Redis keeps it: its one consumer group, and what of it is not yet acknowledged."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import redis

from payments.contract.stream_entry import StreamEntry

GROUP = "billing"
INTAKE, IMPORTER = "intake", "importer"
"""The group's consumers. Their names are fixed: a consumer that goes away would take what it holds out of sight."""

PAGE = 1_000
REPLY_SECONDS = 60
SIGNATURE_BYTES_MAX = 200


class Idle(NamedTuple):
    """An entry that was handed out and has not been acknowledged: for how long, and how often it was handed out."""

    entry_id: str
    idle_ms: int
    deliveries: int


def ensure_group(client: redis.Redis, stream: str) -> None:
    """Create the stream and its group, which begins with the oldest entry."""
    try:
        client.xgroup_create(stream, GROUP, id="0", mkstream=True)
    except redis.ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise


class Position(NamedTuple):
    """How far the group is: entries handed out and not acknowledged, and the newest that was ever handed out."""

    outstanding: int
    last_delivered: str


class NoGroupError(redis.ResponseError):
    """The stream or its group is not there: the feed was emptied."""


def position(client: redis.Redis, stream: str) -> Position:
    """Return how far the group is. Raises NoGroupError."""
    try:
        groups = client.xinfo_groups(stream)
    except redis.ResponseError as error:
        raise NoGroupError(str(error)) from error
    for group in groups:
        if group["name"] == GROUP.encode():
            return Position(group["pending"], group["last-delivered-id"].decode())
    raise NoGroupError(f"{stream} has no group {GROUP}")


def with_new(client: redis.Redis, after: Mapping[str, str], wait_ms: int) -> list[str]:
    """Return the streams with an entry newer than the one named, as soon as there is one or after at most `wait_ms`."""
    positions: Any = dict(after)
    answer = cast("list[Any]", client.xread(positions, count=1, block=wait_ms))
    return [name.decode() for name, _ in answer or ()]


def take_new(client: redis.Redis, streams: Sequence[str], count: int, reply_to: str) -> dict[str, list[StreamEntry]]:
    """Take up to `count` entries of each stream that nobody was handed yet, and tell whoever waits on `reply_to`."""
    new: Any = dict.fromkeys(streams, ">")
    with client.pipeline(transaction=False) as pipeline:
        pipeline.xreadgroup(GROUP, IMPORTER, new, count=count)
        pipeline.rpush(reply_to, count)
        pipeline.expire(reply_to, REPLY_SECONDS)
        answer, *_ = pipeline.execute()
    return _by_name(answer)


def wait_for_new(client: redis.Redis, streams: Sequence[str], count: int, wait_ms: int) -> dict[str, list[StreamEntry]]:
    """Take as `take_new` does what is there or what comes first within so many milliseconds; nobody is told.

    Nothing, where a stream has no group yet: an intake that knows of all of them makes it.
    """
    new: Any = dict.fromkeys(streams, ">")
    answer: Any = None
    with _a_group_may_be_missing():
        answer = client.xreadgroup(GROUP, IMPORTER, new, count=count, block=wait_ms)
    return _by_name(answer)


def was_taken(client: redis.Redis, reply_to: str, wait_ms: int) -> bool:
    """Say whether someone has taken new entries, as soon as it has happened or after at most so many milliseconds."""
    return client.blpop([reply_to], timeout=wait_ms / 1_000) is not None


def claim(client: redis.Redis, stream: str, entry_ids: Sequence[str]) -> list[StreamEntry]:
    """Take entries over and return them with their bodies; those that are done with are left out."""
    answer = client.xclaim(stream, GROUP, IMPORTER, 0, list(entry_ids))
    entries = cast("list[tuple[bytes | None, dict[bytes, bytes] | None]]", answer)
    return [_arrived(entry_id, fields) for entry_id, fields in entries if entry_id and fields]


def acknowledge(client: redis.Redis, stream: str, entry_ids: Sequence[str]) -> None:
    """Let go of entries that are committed, all of it or nothing. Lost on the way, it happens again later: no harm.

    Half of it would leave entries on the stream that nobody holds and that nobody is handed any more.
    """
    if entry_ids:
        with client.pipeline(transaction=True) as pipeline:
            pipeline.xack(stream, GROUP, *entry_ids)
            pipeline.xdel(stream, *entry_ids)
            pipeline.execute()


def idle(client: redis.Redis, stream: str, idle_ms: int) -> list[Idle]:
    """Return the entries that nobody has touched for so long, oldest first."""
    found: list[Idle] = []
    after = "-"
    while True:
        answer = client.xpending_range(stream, GROUP, min=after, max="+", count=PAGE, idle=idle_ms)
        entries = cast("list[dict[str, Any]]", answer)
        found += [
            Idle(entry["message_id"].decode(), entry["time_since_delivered"], entry["times_delivered"])
            for entry in entries
        ]
        if len(entries) < PAGE:
            return found
        after = f"({found[-1].entry_id}"


def touch(client: redis.Redis, stream: str, entry_ids: Sequence[str], idle_ms: int) -> list[str]:
    """Mark entries as seen to just now, and return those that still were idle: of two who ask, one gets each."""
    answer = client.xclaim(stream, GROUP, INTAKE, idle_ms, list(entry_ids), justid=True)
    return [entry_id.decode() for entry_id in cast("list[bytes]", answer)]


def outstanding(client: redis.Redis, stream: str) -> int:
    """Return how many entries are handed out and not yet acknowledged."""
    return int(client.xpending(stream, GROUP)["pending"])


def feed_length(client: redis.Redis, *streams: str) -> int:
    """Return how many entries are on these streams: not yet handed out, or not yet acknowledged."""
    with client.pipeline(transaction=False) as pipeline:
        for stream in streams:
            pipeline.xlen(stream)
        return sum(pipeline.execute())


class FeedFigures(NamedTuple):
    """How the feed stands: entries on the stream, those nobody was handed yet, those handed out, the oldest's time."""

    length: int
    unread: int
    outstanding: int
    oldest_ms: int | None


def figures(client: redis.Redis, stream: str) -> FeedFigures:
    """Return how the feed stands; one that was never written to is empty."""
    length = client.xlen(stream)
    handed_out = 0
    with _a_group_may_be_missing():
        handed_out = outstanding(client, stream)
    oldest = cast("list[tuple[bytes, Any]]", client.xrange(stream, count=1))
    first = int(oldest[0][0].partition(b"-")[0]) if oldest else None
    return FeedFigures(length, max(0, length - handed_out), handed_out, first)


@contextmanager
def _a_group_may_be_missing() -> Iterator[None]:
    """Go on after the block where all that Redis finds wrong with it is that a stream has no group."""
    try:
        yield
    except redis.ResponseError as error:
        if "NOGROUP" not in str(error):
            raise


def _by_name(answer: Any) -> dict[str, list[StreamEntry]]:
    return {
        name.decode(): [_arrived(entry_id, fields) for entry_id, fields in entries] for name, entries in answer or ()
    }


def _arrived(entry_id: bytes, fields: Mapping[bytes, bytes]) -> StreamEntry:
    signature, trace = fields.get(b"signature"), fields.get(b"traceparent")
    return StreamEntry(
        entry_id.decode(),
        _body(fields),
        None if signature is None else _written(signature),
        trace=None if trace is None else trace.decode(errors="replace"),
    )


def _written(signature: bytes) -> str:
    """Return a signature as text that can be stored, whatever it is; one that cannot be right comes to nothing else."""
    text = signature[:SIGNATURE_BYTES_MAX].decode("ascii", "replace")
    return text if text.isprintable() else "unprintable"


def _body(fields: Mapping[bytes, bytes]) -> bytes:
    """Return the event of an entry; of one without, all that it holds, to be kept and shown."""
    if b"event" in fields:
        return fields[b"event"]
    held = {
        key.decode(errors="backslashreplace"): value.decode(errors="backslashreplace") for key, value in fields.items()
    }
    return json.dumps(held).encode()
