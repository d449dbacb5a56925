"""The last success of each recurring task, for `payments health` and the metrics.

Each success is a Redis key, and Redis measures the key's age. So the clocks of two machines are never compared.
"""

from datetime import timedelta

import redis

from config.schedule import RECURRING, RecurringTask

SUCCEEDED, EXPECTED = b"succeeded", b"expected"
"""The values of a key: the task has succeeded, or was sent for the first time."""
_KEPT_SECONDS = 30 * 86_400
_TASKS = {each.task for each in RECURRING}


def success_key(task_name: str) -> str:
    """Return the Redis key that records a task's last success."""
    return f"payments:succeeded:{task_name}"


def record_success(feed: redis.Redis, task_name: str) -> None:
    """Record that a task succeeded now. Tasks that are not recurring are ignored. Raises RedisError."""
    if task_name in _TASKS:
        feed.set(success_key(task_name), SUCCEEDED, ex=_KEPT_SECONDS)


def start_measuring(feed: redis.Redis, task_name: str) -> None:
    """Start to measure the age of a task that has never succeeded. Raises RedisError."""
    feed.set(success_key(task_name), EXPECTED, ex=_KEPT_SECONDS, nx=True)


def success_ages(feed: redis.Redis) -> dict[RecurringTask, timedelta]:
    """Return the time since the last success of each task. Without a success, it is the time since `start_measuring`.

    Tasks without either are omitted. Raises RedisError.
    """
    with feed.pipeline(transaction=False) as pipeline:
        for each in RECURRING:
            pipeline.ttl(success_key(each.task))
        left = pipeline.execute()
    return {
        each: timedelta(seconds=_KEPT_SECONDS - seconds)
        for each, seconds in zip(RECURRING, left, strict=True)
        if seconds >= 0
    }


def late_tasks(feed: redis.Redis) -> dict[RecurringTask, timedelta]:
    """Return the tasks whose last success is too long ago, with the time since then. Raises RedisError."""
    return {each: age for each, age in success_ages(feed).items() if age > each.late_after}
