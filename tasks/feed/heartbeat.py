"""The heartbeat by which `payments health` knows that a dispatcher reads the feed."""

import os

import redis

HEARTBEAT_KEY = "payments:intake:heartbeat"
HEARTBEAT_SECONDS = 10


def send_heartbeat(client: redis.Redis) -> None:
    """Write this process's heartbeat. It expires after HEARTBEAT_SECONDS."""
    client.set(HEARTBEAT_KEY, os.getpid(), ex=HEARTBEAT_SECONDS)


def has_heartbeat(client: redis.Redis) -> bool:
    """Return whether some dispatcher wrote a heartbeat in the last HEARTBEAT_SECONDS."""
    return bool(client.exists(HEARTBEAT_KEY))
