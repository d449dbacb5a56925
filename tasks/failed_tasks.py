"""The latest failed tasks, for operators: the task, its id in Flower, its error, its time and its worker."""

import json
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import redis

FAILED_TASKS_KEY = "payments:tasks:failed"
KEPT_MAX = 200
RETENTION = timedelta(days=7)


class FailedTask(NamedTuple):
    """A task that failed: its wire name and id, the class name of its error, and its worker.

    It contains no data of payments.
    """

    task: str
    task_id: str
    at: datetime
    error: str
    worker: str


def record(client: redis.Redis, failed: FailedTask) -> None:
    """Record a failed task. If more than KEPT_MAX tasks are recorded, the oldest is deleted. Raises RedisError."""
    with client.pipeline(transaction=False) as pipeline:
        pipeline.lpush(FAILED_TASKS_KEY, json.dumps(failed._asdict() | {"at": failed.at.isoformat()}))
        pipeline.ltrim(FAILED_TASKS_KEY, 0, KEPT_MAX - 1)
        pipeline.expire(FAILED_TASKS_KEY, RETENTION)
        pipeline.execute()


def read(client: redis.Redis, since: datetime) -> list[FailedTask]:
    """Return the tasks that failed since a moment, newest first. Raises RedisError."""
    found = (FailedTask(**json.loads(each)) for each in client.lrange(FAILED_TASKS_KEY, 0, KEPT_MAX - 1))
    tasks = [each._replace(at=datetime.fromisoformat(str(each.at)).astimezone(UTC)) for each in found]
    return [each for each in tasks if each.at >= since]
