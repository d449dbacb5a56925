"""The heartbeats by which `payments health` knows that a service without a queue is running."""

import os

import redis

HEARTBEAT_KEY = "payments:intake:heartbeat"
"""Of the dispatcher: it reads the feed."""
SCHEDULER_HEARTBEAT_KEY = "payments:scheduler:heartbeat"
"""Of the scheduler: it sends the recurring tasks."""
HEARTBEAT_SECONDS = 10
SCHEDULER_HEARTBEAT_SECONDS = 30


def send_heartbeat(client: redis.Redis, key: str = HEARTBEAT_KEY, seconds: int = HEARTBEAT_SECONDS) -> None:
    """Write this process's heartbeat, which expires after `seconds`."""
    client.set(key, os.getpid(), ex=seconds)


def has_heartbeat(client: redis.Redis, key: str = HEARTBEAT_KEY) -> bool:
    """Return whether a process of this service wrote a heartbeat that has not expired."""
    return bool(client.exists(key))
