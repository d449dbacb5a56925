"""The pending entries of one stream: those of importers, and those that wait for a retry after a failure.

The group has a separate consumer for each kind. So the entries of importers, which are few, are read without the
entries that wait for a retry. The waiting entries may be many, and are read page by page.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import redis

from tasks.feed.stream import GROUP, RETRY, bodies, xclaim

ISOLATED_DELIVERIES = 2
"""After this many deliveries an entry is imported alone, because it may be the one that makes its chunk fail."""
PAGE_SIZE = 1_000
FIRST_POSITION = "-"


class PageRequest(NamedTuple):
    """The page of pending entries to read: at most `size` entries from the position `first` on."""

    first: str = FIRST_POSITION
    size: int = PAGE_SIZE


FIRST_PAGE = PageRequest()


class PendingEntry(NamedTuple):
    """An entry that was delivered and not acknowledged, with its idle time and its number of deliveries."""

    entry_id: str
    idle_ms: int
    deliveries: int


def pending_entries(client: redis.Redis, stream: str, min_idle_ms: int) -> list[PendingEntry]:
    """Return the pending entries that have been idle for at least `min_idle_ms`, in the order of their ids."""
    return _all_pages(client, stream, min_idle_ms, None)


def first_pending(client: redis.Redis, stream: str) -> list[PendingEntry]:
    """Return up to PAGE_SIZE pending entries with the lowest ids."""
    return _read_page(client, stream, 0, None, FIRST_PAGE)


def pending_ids_among(client: redis.Redis, stream: str, entry_ids: Sequence[str]) -> set[str]:
    """Return the given ids that are pending.

    `entry_ids` must be in stream order, without gaps: the stream has no other entry between them.
    """
    first, last = entry_ids[0], entry_ids[-1]
    found = client.xpending_range(stream, GROUP, min=first, max=last, count=len(entry_ids))
    return {each["message_id"].decode() for each in cast("list[dict[str, Any]]", found)}


def importers_entries(client: redis.Redis, stream: str, min_idle_ms: int) -> list[PendingEntry]:
    """Return the idle pending entries that do not wait for a retry. If the stream has no group, return none."""
    try:
        consumers = [each["name"].decode() for each in client.xpending(stream, GROUP)["consumers"]]
    except redis.ResponseError as error:
        if "NOGROUP" in str(error):
            return []
        raise
    return [
        entry
        for consumer in consumers
        if consumer != RETRY
        for entry in _all_pages(client, stream, min_idle_ms, consumer)
    ]


def waiting_page(
    client: redis.Redis, stream: str, min_idle_ms: int, page: PageRequest = FIRST_PAGE
) -> list[PendingEntry]:
    """Return a page of the entries that wait for a retry and have been idle for at least `min_idle_ms`.

    A page with fewer entries than `page.size` is the last one.
    """
    return _read_page(client, stream, min_idle_ms, RETRY, page)


def release_for_retry(
    client: redis.Redis, stream: str, entry_ids: Sequence[str], deliveries: int, idle_ms: int | None = None
) -> list[str]:
    """Let pending entries wait for a retry. Set their number of deliveries, and their idle time (0 if None).

    Acknowledged entries are skipped. Returns the ids of entries that are no longer on the stream.
    """
    options = {"min_idle_time": 0, "retrycount": deliveries, "justid": True, "idle": idle_ms}
    return xclaim(client, stream, RETRY, entry_ids, options)[1]


def isolate(client: redis.Redis, stream: str, entry_ids: Sequence[str]) -> list[str]:
    """Let failed entries wait for a retry in which each is imported alone. Reset their idle times.

    Returns the ids of entries that are no longer on the stream, and cannot be retried. Redis may already have removed
    them from the pending entries.
    """
    pending = deliveries_of(client, stream, entry_ids)
    others = [each for each in entry_ids if each not in pending]
    on_stream = bodies(client, stream, others)
    deleted = [each for each in others if each not in on_stream]
    by_deliveries: dict[int, list[str]] = defaultdict(list)
    for entry_id, deliveries in pending.items():
        by_deliveries[max(ISOLATED_DELIVERIES, deliveries)].append(entry_id)
    for deliveries, ids in by_deliveries.items():
        deleted += release_for_retry(client, stream, ids, deliveries)
    return deleted


def deliveries_of(client: redis.Redis, stream: str, entry_ids: Sequence[str]) -> dict[str, int]:
    """Return a mapping of entry id to number of deliveries. Entries that are not pending are left out."""
    with client.pipeline(transaction=False) as pipeline:
        for entry_id in entry_ids:
            pipeline.xpending_range(stream, GROUP, min=entry_id, max=entry_id, count=1)
        return {each["message_id"].decode(): each["times_delivered"] for found in pipeline.execute() for each in found}


def _all_pages(client: redis.Redis, stream: str, min_idle_ms: int, consumer: str | None) -> list[PendingEntry]:
    found: list[PendingEntry] = []
    page = FIRST_PAGE
    while True:
        entries = _read_page(client, stream, min_idle_ms, consumer, page)
        found += entries
        if len(entries) < page.size:
            return found
        page = page._replace(first=position_after(entries[-1].entry_id))


def position_after(entry_id: str) -> str:
    """Return the position right after an entry, in the form that Redis expects as the start of a range."""
    return f"({entry_id}"


def _read_page(
    client: redis.Redis, stream: str, min_idle_ms: int, consumer: str | None, page: PageRequest
) -> list[PendingEntry]:
    answer = client.xpending_range(
        stream, GROUP, min=page.first, max="+", count=page.size, idle=min_idle_ms, consumername=consumer
    )
    return [
        PendingEntry(
            entry_id=entry["message_id"].decode(),
            idle_ms=entry["time_since_delivered"],
            deliveries=entry["times_delivered"],
        )
        for entry in cast("list[dict[str, Any]]", answer)
    ]
