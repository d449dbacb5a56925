"""Publish entries that are acknowledged but not imported, as a failover of PostgreSQL can leave them."""

from typing import Any, cast

import redis

from payments.contract.event import Event
from tasks.feed import stream
from tests.builders.events import event_body

STREAM = "emr:payments"


def publish_kept_entries(feed: redis.Redis, *events: Event | bytes) -> list[str]:
    """Publish events, acknowledge them without importing them, and return the ids of their entries."""
    stream.ensure_group(feed, STREAM)
    for event in events:
        feed.xadd(STREAM, {"event": event if isinstance(event, bytes) else event_body(event)})
    found = cast("list[Any]", feed.xreadgroup(stream.GROUP, stream.IMPORTER, {STREAM: ">"}, count=len(events)))
    ids = [entry_id.decode() for entry_id, _ in found[0][1]]
    feed.xack(STREAM, stream.GROUP, *ids)
    return ids
