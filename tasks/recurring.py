"""The time since the last success of each recurring task, for `payments health` and the metrics.

Each success is recorded as a Redis key, and Redis measures the age of the key. So the clocks of two machines are never
compared.
"""

from datetime import timedelta

import redis

from config.schedule import RECURRING, RecurringTask

SUCCEEDED, EXPECTED = b"succeeded", b"expected"
"""The values of a key: SUCCEEDED after a success, EXPECTED if the task was sent and has never succeeded."""
_KEPT_SECONDS = 30 * 86_400
_TASK_NAMES = {each.task for each in RECURRING}


def success_key(task_name: str) -> str:
    """Return the Redis key that records a task's last success."""
    return f"payments:succeeded:{task_name}"


def record_success(feed: redis.Redis, task_name: str) -> None:
    """Record that a task succeeded now. Tasks that are not recurring are ignored. Raises RedisError."""
    if task_name in _TASK_NAMES:
        feed.set(success_key(task_name), SUCCEEDED, ex=_KEPT_SECONDS)


def start_measuring(feed: redis.Redis, task_name: str) -> None:
    """Measure the age of a task from now on, until its first success. Raises RedisError.

    If the age is already measured, nothing changes.
    """
    feed.set(success_key(task_name), EXPECTED, ex=_KEPT_SECONDS, nx=True)


def success_ages(feed: redis.Redis) -> dict[RecurringTask, timedelta]:
    """Return, by task, the time since its last success, or since `start_measuring` if it has never succeeded.

    A task that has no key in Redis is omitted. Raises RedisError.
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
    """Return the tasks that have not succeeded for too long, each with the time since its last success.

    Raises RedisError.
    """
    return {each: age for each, age in success_ages(feed).items() if age > each.late_after}
