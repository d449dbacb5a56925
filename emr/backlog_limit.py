"""The publisher's limit for the number of unprocessed events on a stream."""

import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

import redis
from redis.client import Pipeline

from payments.contract.consumer_group import CONSUMER_GROUP

MEASURE_MS = 1_000
"""The age in milliseconds from which a measurement is repeated."""


@dataclass
class _Backlog:
    """The number of unprocessed events on a stream when it was measured, and the number of events sent since then.

    `measured_ms` is the monotonic time of the measurement.
    """

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
    """Limits the number of unprocessed events on a stream. Undelivered and pending entries are unprocessed.

    Acknowledged entries that Billing keeps on the stream do not count. A stream is measured before its first event, and
    again when the measured number and the events sent since then together reach the limit. A measurement that is
    MEASURE_MS old is repeated in the round trip that sends the next events. A stream that was full when it was measured
    is measured again after MEASURE_MS at the earliest. Without a limit, nothing is measured.
    """

    def __init__(self, limit: int | None) -> None:
        self.limit = limit
        self._backlogs: dict[str, _Backlog] = {}

    def find_full(self, client: redis.Redis, streams: Counter[str]) -> tuple[str, int] | None:
        """Return a stream that has reached its limit, with its number of unprocessed events, or None if there is none.

        `streams` holds the number of events to send to each stream. A stream below its limit is not full, even if these
        events exceed the limit. If no stream is full, the events count as sent. Raises RedisError.
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

    def request_measurements(self, pipeline: Pipeline) -> list[str]:
        """Add commands to a pipeline that measure the streams whose last measurement is old. Return these streams."""
        old = [stream for stream, backlog in list(self._backlogs.items()) if backlog.is_old]
        for stream in old:
            _request_measurement(pipeline, stream)
        return old

    def record_measurements(self, streams: list[str], replies: list[Any]) -> None:
        """Record the replies to the commands of `request_measurements`.

        If the commands of a stream failed, the stream is measured later.
        """
        for stream, length, groups in zip(streams, replies[::2], replies[1::2], strict=True):
            if not isinstance(length, Exception) and not isinstance(groups, Exception):
                self._backlogs[stream] = _Backlog(_unprocessed_count(length, groups), _monotonic_ms())


def _monotonic_ms() -> int:
    return time.monotonic_ns() // 1_000_000


def _measure(client: redis.Redis, stream: str) -> int:
    with client.pipeline(transaction=False) as pipeline:
        _request_measurement(pipeline, stream)
        length, groups = pipeline.execute(raise_on_error=False)
    if isinstance(length, redis.RedisError):
        raise length
    if isinstance(groups, redis.ResponseError) and "no such key" in str(groups):
        return 0
    if isinstance(groups, redis.RedisError):
        raise groups
    return _unprocessed_count(length, groups)


def _request_measurement(pipeline: Pipeline, stream: str) -> None:
    pipeline.xlen(stream)
    pipeline.xinfo_groups(stream)


def _unprocessed_count(length: int, groups: list[dict[str, Any]]) -> int:
    """Return the number of entries on a stream that are not acknowledged.

    `length` is the length of the stream. If Redis does not report the number of undelivered entries, all entries on the
    stream count. This happens with Redis up to 6.2, and with later versions after entries were deleted.
    """
    group = next((each for each in groups if each["name"] == CONSUMER_GROUP.encode()), {})
    lag = group.get("lag")
    return length if lag is None else min(length, int(lag) + int(group["pending"]))
