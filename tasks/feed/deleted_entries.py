"""Handle entries that were deleted from their stream while they were pending, by XTRIM, XDEL or XADD with MAXLEN.

These entries can no longer be read, and may never have been imported. Redis up to 6.2 keeps them in the list of pending
entries. Redis 7.0 and later removes them from this list, without an error, when they are claimed.

This module also counts the kept entries that were deleted before their time. Those entries were imported.
"""

from collections.abc import Sequence

import redis
import structlog

log = structlog.get_logger()

DELETED_COUNT_KEY = "payments:feed:deleted"
RECENTLY_DELETED_COUNT_KEY, RECENT_SECONDS = "payments:feed:deleted:recent", 3_600
LOGGED_IDS_MAX = 20
TRIMMED_EARLY_KEY = "payments:feed:trimmed_early"


def acknowledge_deleted(client: redis.Redis, stream: str, group: str, entry_ids: Sequence[str]) -> list[str]:
    """Acknowledge the pending entries that are no longer on the stream, and return their ids.

    If several callers pass the same id, only one of them gets it back. If an importer acknowledges an entry at the same
    time, the entry is not returned: an importer acknowledges an entry before it deletes it.
    """
    present = _ids_on_stream(client, stream, entry_ids)
    missing = [entry_id for entry_id in entry_ids if entry_id not in present]
    if not missing:
        return []
    with client.pipeline(transaction=False) as pipeline:
        for entry_id in missing:
            pipeline.xack(stream, group, entry_id)
        return [entry_id for entry_id, count in zip(missing, pipeline.execute(), strict=True) if count]


def report_deleted(client: redis.Redis, entry_ids: Sequence[str]) -> None:
    """Log and count entries that were deleted while they were pending. The health check reports them for an hour."""
    if not entry_ids:
        return
    log.error("entries_deleted_from_stream", entries=len(entry_ids), entry_ids=list(entry_ids[:LOGGED_IDS_MAX]))
    with client.pipeline(transaction=True) as pipeline:
        pipeline.incrby(DELETED_COUNT_KEY, len(entry_ids))
        pipeline.incrby(RECENTLY_DELETED_COUNT_KEY, len(entry_ids))
        pipeline.expire(RECENTLY_DELETED_COUNT_KEY, RECENT_SECONDS)
        pipeline.execute()


def recently_deleted_count(client: redis.Redis) -> int:
    """Return the number of entries that were recently deleted while they were pending.

    The number becomes 0 again when no such entry was found for an hour.
    """
    return int(client.get(RECENTLY_DELETED_COUNT_KEY) or 0)


def deleted_count(client: redis.Redis) -> int:
    """Return the number of entries ever deleted from this feed while they were pending."""
    return int(client.get(DELETED_COUNT_KEY) or 0)


def count_trimmed_early(client: redis.Redis, count: int) -> None:
    """Add `count` to the number of kept entries that were deleted before PAYMENTS_KEEP_ENTRIES had passed."""
    client.incrby(TRIMMED_EARLY_KEY, count)


def trimmed_early_count(client: redis.Redis) -> int:
    """Return the number of kept entries ever deleted from this feed before PAYMENTS_KEEP_ENTRIES had passed."""
    return int(client.get(TRIMMED_EARLY_KEY) or 0)


def _ids_on_stream(client: redis.Redis, stream: str, entry_ids: Sequence[str]) -> set[str]:
    with client.pipeline(transaction=False) as pipeline:
        for entry_id in entry_ids:
            pipeline.xrange(stream, entry_id, entry_id, count=1)
        return {entry_id for entry_id, found in zip(entry_ids, pipeline.execute(), strict=True) if found}
