"""The publisher's limit for events of a stream that Billing has not processed."""

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import redis
from redis.client import Pipeline

from payments.contract.consumer_group import GROUP

MEASURE_MS = 1_000
"""The age of a measurement from which it is renewed."""


@dataclass
class _Backlog:
    """The number of unprocessed events of a stream at a monotonic time, and the number of events sent since then."""

    unprocessed: int
    measured_ms: int
    sent: int = 0

    @property
    def estimate(self) -> int:
        return self.unprocessed + self.sent

    @property
    def is_old(self) -> bool:
        return _monotonic_ms() - self.measured_ms >= MEASURE_MS


class BacklogLimit:
    """Limits the unprocessed events of each stream. These are the undelivered and the pending entries.

    Acknowledged entries that Billing keeps on the stream do not count. Each stream is measured before the first event,
    and when the events sent since the last measurement reach the limit. Further measurements are part of the round trip
    that sends events. Without a limit, nothing is measured.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self._backlogs: dict[str, _Backlog] = {}

    def find_full(self, client: redis.Redis, streams: Counter[str]) -> tuple[str, int] | None:
        """Return a stream that has reached its limit, with its number of unprocessed events.

        Return None if there is none.

        `streams` holds the number of events to send to each stream. They may exceed the limit. If no stream is full,
        they count as sent. Raises RedisError.
        """
        if self.limit is None:
            return None
        for stream in streams:
            backlog = self._backlogs.get(stream)
            if backlog is None or (backlog.estimate >= self.limit and (backlog.sent or backlog.is_old)):
                backlog = self._backlogs[stream] = _Backlog(_measure(client, stream), _monotonic_ms())
            if backlog.estimate >= self.limit:
                return stream, backlog.estimate
        for stream, count in streams.items():
            self._backlogs[stream].sent += count
        return None

    def request(self, pipeline: Pipeline) -> list[str]:
        """Add commands to a pipeline that measure the streams whose measurement is old. Return these streams."""
        old = [stream for stream, backlog in list(self._backlogs.items()) if backlog.is_old]
        for stream in old:
            _request(pipeline, stream)
        return old

    def record(self, streams: list[str], replies: list[Any]) -> None:
        """Record the replies to the commands of `request`.

        If the commands of a stream failed, it is measured again later.
        """
        for stream, length, groups in zip(streams, replies[::2], replies[1::2], strict=True):
            if not isinstance(length, Exception) and not isinstance(groups, Exception):
                self._backlogs[stream] = _Backlog(_unprocessed(length, groups), _monotonic_ms())


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _measure(client: redis.Redis, stream: str) -> int:
    with client.pipeline(transaction=False) as pipeline:
        _request(pipeline, stream)
        length, groups = pipeline.execute(raise_on_error=False)
    if isinstance(length, redis.RedisError):
        raise length
    if isinstance(groups, redis.ResponseError) and "no such key" in str(groups):
        return 0
    if isinstance(groups, redis.RedisError):
        raise groups
    return _unprocessed(length, groups)


def _request(pipeline: Pipeline, stream: str) -> None:
    pipeline.xlen(stream)
    pipeline.xinfo_groups(stream)


def _unprocessed(length: int, groups: list[dict[str, Any]]) -> int:
    """Return the number of a stream's entries that are not acknowledged.

    `length` is the length of the stream. If Redis does not know the number of undelivered entries, every entry on the
    stream counts. This is so up to Redis 6.2, and in later versions after entries were deleted.
    """
    group = next((each for each in groups if each["name"] == GROUP.encode()), {})
    lag = group.get("lag")
    return length if lag is None else min(length, int(lag) + int(group["pending"]))
