"""When each recurring task last succeeded, for `payments health` and the metrics.

Redis keeps it, as keys whose age Redis measures. So no two clocks are compared.
"""

from datetime import timedelta

import redis

from config.schedule import RECURRING, Recurring

SUCCEEDED, EXPECTED = b"succeeded", b"expected"
"""The values of a key: the task has succeeded, or was sent for the first time."""
_KEPT_SECONDS = 30 * 86_400
_TASKS = {each.task for each in RECURRING}


def key(task_name: str) -> str:
    """Return the Redis key of a task."""
    return f"payments:succeeded:{task_name}"


def record_success(feed: redis.Redis, task_name: str) -> None:
    """Record that a task succeeded just now; nothing for a task that is not recurring. Raises RedisError."""
    if task_name in _TASKS:
        feed.set(key(task_name), SUCCEEDED, ex=_KEPT_SECONDS)


def expect(feed: redis.Redis, task_name: str) -> None:
    """Measure the age of a task from now on if it never succeeded. Raises RedisError."""
    feed.set(key(task_name), EXPECTED, ex=_KEPT_SECONDS, nx=True)


def ages(feed: redis.Redis) -> dict[Recurring, timedelta]:
    """Return how long ago each task last succeeded; tasks that were never sent are left out. Raises RedisError."""
    with feed.pipeline(transaction=False) as pipeline:
        for each in RECURRING:
            pipeline.ttl(key(each.task))
        left = pipeline.execute()
    return {
        each: timedelta(seconds=_KEPT_SECONDS - seconds)
        for each, seconds in zip(RECURRING, left, strict=True)
        if seconds >= 0
    }


def late(feed: redis.Redis) -> dict[Recurring, timedelta]:
    """Return the tasks that succeeded too long ago, with their ages. Raises RedisError."""
    return {each: age for each, age in ages(feed).items() if age > each.late_after}
