"""The pending entries of one stream: entries of importers, and entries that wait for a retry after a failure.

Two consumers of the group keep them apart. So entries that an importer lost are found among few, and the waiting
entries, which may be many, are read page by page.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import redis

from tasks.feed.stream import GROUP, RETRY, bodies, xclaim

ISOLATED_DELIVERIES = 2
"""After this many deliveries an entry is imported alone, because it may be what makes its chunk fail."""
PAGE = 1_000
FIRST_POSITION = "-"


class Page(NamedTuple):
    """A range of the pending entries: at most `size` entries from the position `first` on."""

    first: str = FIRST_POSITION
    size: int = PAGE


FIRST_PAGE = Page()


class PendingEntry(NamedTuple):
    """An entry that was delivered and not acknowledged, with its idle time and its number of deliveries."""

    entry_id: str
    idle_ms: int
    deliveries: int


def pending_entries(client: redis.Redis, stream: str, min_idle_ms: int) -> list[PendingEntry]:
    """Return the pending entries that have been idle for at least `min_idle_ms`, in the order of their ids."""
    return _all_pages(client, stream, min_idle_ms, None)


def first_pending(client: redis.Redis, stream: str) -> list[PendingEntry]:
    """Return up to PAGE pending entries with the lowest ids."""
    return _read(client, stream, 0, None, FIRST_PAGE)


def pending_ids_among(client: redis.Redis, stream: str, entry_ids: Sequence[str]) -> set[str]:
    """Return those of the given ids that are pending.

    The ids must be those of successive entries of the stream, in order.
    """
    first, last = entry_ids[0], entry_ids[-1]
    found = client.xpending_range(stream, GROUP, min=first, max=last, count=len(entry_ids))
    return {each["message_id"].decode() for each in cast("list[dict[str, Any]]", found)}


def importers_entries(client: redis.Redis, stream: str, min_idle_ms: int) -> list[PendingEntry]:
    """Return the entries of `pending_entries` that do not wait for a retry. A stream without a group has none."""
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


def waiting_page(client: redis.Redis, stream: str, min_idle_ms: int, page: Page = FIRST_PAGE) -> list[PendingEntry]:
    """Return a page of the entries that wait for a retry and have been idle for at least `min_idle_ms`.

    If it has fewer entries than its size, no page follows.
    """
    return _read(client, stream, min_idle_ms, RETRY, page)


def release_for_retry(
    client: redis.Redis, stream: str, entry_ids: Sequence[str], deliveries: int, idle_ms: int | None = None
) -> list[str]:
    """Let pending entries wait for a retry, with this number of deliveries. Acknowledged entries are skipped.

    Their idle time becomes `idle_ms`, by default 0. Returns the ids of entries that are no longer on the stream.
    """
    options = {"min_idle_time": 0, "retrycount": deliveries, "justid": True, "idle": idle_ms}
    return xclaim(client, stream, RETRY, entry_ids, options)[1]


def isolate(client: redis.Redis, stream: str, entry_ids: Sequence[str]) -> list[str]:
    """Let failed entries wait for a retry in which each is imported alone. Their idle times are reset.

    Returns the ids of the entries that are no longer on the stream and cannot be retried. Redis may already have
    removed them from the pending entries.
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
    """Return the number of deliveries of each of these entries that is pending, by id."""
    with client.pipeline(transaction=False) as pipeline:
        for entry_id in entry_ids:
            pipeline.xpending_range(stream, GROUP, min=entry_id, max=entry_id, count=1)
        return {each["message_id"].decode(): each["times_delivered"] for found in pipeline.execute() for each in found}


def _all_pages(client: redis.Redis, stream: str, min_idle_ms: int, consumer: str | None) -> list[PendingEntry]:
    found: list[PendingEntry] = []
    page = FIRST_PAGE
    while True:
        entries = _read(client, stream, min_idle_ms, consumer, page)
        found += entries
        if len(entries) < page.size:
            return found
        page = page._replace(first=position_after(entries[-1].entry_id))


def position_after(entry_id: str) -> str:
    """Return the position right after an entry, as a start of a range in Redis."""
    return f"({entry_id}"


def _read(client: redis.Redis, stream: str, min_idle_ms: int, consumer: str | None, page: Page) -> list[PendingEntry]:
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
