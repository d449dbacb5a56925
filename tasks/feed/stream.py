"""One stream of the feed in Redis: reading new entries, claiming and acknowledging pending ones."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import redis

from payments.contract import consumer_group
from payments.contract.stream_entry import StreamEntry
from tasks.feed.entries import entries_by_stream, stream_entry

GROUP = consumer_group.CONSUMER_GROUP
IMPORTER, RETRY = "importer", "retry"
"""The consumers of the group. IMPORTER has the entries that are being imported, RETRY those that wait for a retry.

The names are fixed: if a consumer is deleted in Redis, its entries are no longer pending, and nobody retries them.
"""

REPLY_SECONDS = 60


class GroupState(NamedTuple):
    """State of the consumer group: the number of pending entries, and the id of the last delivered entry.

    `in_progress_count` is the number of pending entries of importers. The other pending entries wait for a retry.
    """

    pending_count: int
    in_progress_count: int
    last_delivered_id: str


class CommittedEntries(NamedTuple):
    """Entries of one stream to be acknowledged. If `keeps` is True, they stay on the stream afterwards."""

    stream: str
    entry_ids: Sequence[str]
    keeps: bool


class NoGroupError(redis.ResponseError):
    """The stream or its consumer group does not exist, because the feed was emptied or is new."""


def ensure_group(client: redis.Redis, stream: str) -> None:
    """Create the stream and its consumer group if they do not exist. A new group starts with the oldest entry."""
    try:
        client.xgroup_create(stream, GROUP, id="0", mkstream=True)
    except redis.ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise


def group_state(client: redis.Redis, stream: str) -> GroupState:
    """Return the state of the consumer group. Raises NoGroupError if the stream or the group does not exist."""
    try:
        with client.pipeline(transaction=False) as pipeline:
            pipeline.xinfo_groups(stream)
            pipeline.xpending(stream, GROUP)
            groups, pending = pipeline.execute()
    except redis.ResponseError as error:
        raise NoGroupError(str(error)) from error
    by_consumer = {each["name"].decode(): each["pending"] for each in pending["consumers"]}
    in_progress = pending["pending"] - by_consumer.get(RETRY, 0)
    last_id = next(group["last-delivered-id"] for group in groups if group["name"] == GROUP.encode())
    return GroupState(pending["pending"], in_progress, last_id.decode())


def wait_for_new(client: redis.Redis, last_ids: Mapping[str, str], block_ms: int) -> list[str]:
    """Wait up to `block_ms` for new entries. Return the names of the streams that have new entries.

    `last_ids` maps each stream to an id. Entries with a higher id are new. No entry is delivered.
    """
    positions: Any = dict(last_ids)
    answer = cast("list[Any]", client.xread(positions, count=1, block=block_ms))
    return [name.decode() for name, _ in answer or ()]


def read_new(client: redis.Redis, streams: Sequence[str], count: int, reply_to: str) -> dict[str, list[StreamEntry]]:
    """Read up to `count` new entries of each stream, and push a reply onto the list `reply_to`.

    The entries become pending with the consumer IMPORTER.
    """
    new: Any = dict.fromkeys(streams, ">")
    with client.pipeline(transaction=False) as pipeline:
        pipeline.xreadgroup(GROUP, IMPORTER, new, count=count)
        pipeline.rpush(reply_to, count)
        pipeline.expire(reply_to, REPLY_SECONDS)
        answer, *_ = pipeline.execute()
    return entries_by_stream(answer)


def read_new_blocking(
    client: redis.Redis,
    streams: Sequence[str],
    count: int,
    block_ms: int | None,
    committed: Sequence[CommittedEntries] = (),
) -> dict[str, list[StreamEntry]]:
    """Acknowledge `committed`, then read up to `count` new entries of each stream, in one round trip.

    If there are none, wait up to `block_ms` for one; None returns immediately. Unlike `read_new`, no reply is pushed.
    Returns no entries if a stream has no group yet.
    """
    new: Any = dict.fromkeys(streams, ">")
    with client.pipeline(transaction=False) as pipeline:
        for each in committed:
            _queue_acknowledgement(pipeline, each)
        pipeline.xreadgroup(GROUP, IMPORTER, new, count=count, block=block_ms)
        answers = pipeline.execute(raise_on_error=False)
    with _ignoring_missing_group():
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return entries_by_stream(answers[-1])
    return {}


def _queue_acknowledgement(pipeline: Any, committed: CommittedEntries) -> None:
    """Queue the commands that acknowledge entries, as one Redis transaction. See `acknowledge_and_delete`."""
    pipeline.execute_command("MULTI")
    pipeline.xack(committed.stream, GROUP, *committed.entry_ids)
    if not committed.keeps:
        pipeline.xdel(committed.stream, *committed.entry_ids)
    pipeline.execute_command("EXEC")


def wait_for_reply(client: redis.Redis, reply_to: str, timeout_ms: int) -> bool:
    """Wait up to `timeout_ms` for an importer's reply on this list. Return whether it arrived."""
    return client.blpop([reply_to], timeout=timeout_ms / 1_000) is not None


class ClaimedEntries(NamedTuple):
    """The entries that were claimed, and the ids of pending entries that are no longer on the stream."""

    entries: list[StreamEntry]
    deleted_ids: list[str]


def claim(
    client: redis.Redis,
    stream: str,
    entry_ids: Sequence[str],
    min_idle_ms: int = 0,
    deliveries: int | None = None,
) -> ClaimedEntries:
    """XCLAIM entries for the importer. Return the claimed entries.

    Entries that were acknowledged meanwhile, or that have been idle for less than `min_idle_ms`, are left out.
    `deliveries` is the new number of deliveries of each entry; by default the number increases by one.
    """
    options = {"min_idle_time": min_idle_ms, "retrycount": deliveries}
    answer, deleted_ids = xclaim(client, stream, IMPORTER, entry_ids, options)
    entries = [stream_entry(*entry) for entry in answer if entry]  # Redis 6.2 answers a deleted entry as nil
    return ClaimedEntries(entries, deleted_ids)


def xclaim(
    client: redis.Redis, stream: str, consumer: str, entry_ids: Sequence[str], options: Mapping[str, Any]
) -> tuple[list[Any], list[str]]:
    """XCLAIM entries. Return the reply of Redis, and the ids that Redis removed from the pending entries.

    If a pending entry is no longer on the stream, Redis 7.0 and later silently removes it from the pending entries. To
    find the removed ones, one Redis transaction lists the pending entries before and after XCLAIM. `options` are passed
    to redis-py's `xclaim`.
    """
    if not entry_ids:
        return [], []
    count = len(entry_ids)
    with client.pipeline(transaction=True) as pipeline:
        for entry_id in entry_ids:
            pipeline.xpending_range(stream, GROUP, min=entry_id, max=entry_id, count=1)
        pipeline.xclaim(stream, GROUP, consumer, message_ids=list(entry_ids), **options)
        for entry_id in entry_ids:
            pipeline.xpending_range(stream, GROUP, min=entry_id, max=entry_id, count=1)
        answers = pipeline.execute()
    before, after = answers[:count], answers[count + 1 :]
    deleted_ids = [each for each, was, stays in zip(entry_ids, before, after, strict=True) if was and not stays]
    return answers[count], deleted_ids


def renew(client: redis.Redis, stream: str, entry_ids: Sequence[str], consumer: str = IMPORTER) -> None:
    """Reset the idle time of a consumer's pending entries. The numbers of deliveries do not change.

    Acknowledged entries are skipped.
    """
    client.xclaim(stream, GROUP, consumer, 0, list(entry_ids), justid=True)


def bodies(client: redis.Redis, stream: str, entry_ids: Sequence[str]) -> dict[str, bytes]:
    """Return the body of each entry by entry id: its field `event`, or empty bytes if it has no such field.

    Entries that are no longer on the stream are left out.
    """
    with client.pipeline(transaction=False) as pipeline:
        for entry_id in entry_ids:
            pipeline.xrange(stream, entry_id, entry_id, count=1)
        found = [entry for answer in pipeline.execute() for entry in answer]
    return {entry_id.decode(): (fields or {}).get(b"event", b"") for entry_id, fields in found}


def acknowledge_and_delete(client: redis.Redis, stream: str, entry_ids: Sequence[str]) -> None:
    """Acknowledge committed entries and delete them from the stream, in one Redis transaction.

    An acknowledgement without the deletion would leave entries on the stream that are neither pending nor new. If the
    transaction is lost, the entries are delivered again, which is harmless.
    """
    if entry_ids:
        with client.pipeline(transaction=True) as pipeline:
            pipeline.xack(stream, GROUP, *entry_ids)
            pipeline.xdel(stream, *entry_ids)
            pipeline.execute()


def pending_count(client: redis.Redis, stream: str) -> int:
    """Return the number of pending entries."""
    return int(client.xpending(stream, GROUP)["pending"])


@contextmanager
def _ignoring_missing_group() -> Iterator[None]:
    """Suppress Redis's NOGROUP error in the block. The error means that the stream has no consumer group."""
    try:
        yield
    except redis.ResponseError as error:
        if "NOGROUP" not in str(error):
            raise
