"""The heartbeats of the services that consume no queue. `payments health` reads them."""

import os

import redis

HEARTBEAT_KEY = "payments:intake:heartbeat"
"""Heartbeat of the dispatcher, which reads the feed."""
SCHEDULER_HEARTBEAT_KEY = "payments:scheduler:heartbeat"
"""Heartbeat of the scheduler, which sends the recurring tasks."""
HEARTBEAT_EXPIRY_SECONDS = 10
SCHEDULER_HEARTBEAT_EXPIRY_SECONDS = 30


def send_heartbeat(client: redis.Redis, key: str = HEARTBEAT_KEY, seconds: int = HEARTBEAT_EXPIRY_SECONDS) -> None:
    """Write a heartbeat to Redis. It expires after `seconds`."""
    client.set(key, os.getpid(), ex=seconds)


def has_heartbeat(client: redis.Redis, key: str = HEARTBEAT_KEY) -> bool:
    """Return whether the heartbeat exists and has not expired."""
    return bool(client.exists(key))
