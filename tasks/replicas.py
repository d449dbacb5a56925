"""The signs of life of all processes. They show the replicas of each service, and when each replica was last seen.

Each replica writes a key that expires, and Redis measures the age of the key. So the clocks of two machines are never
compared. A replica that ends normally removes its key. A replica that was killed is shown as silent for an hour.
"""

import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import NamedTuple

import redis
import structlog

from config.redis_clients import make_redis_client

log = structlog.get_logger(__name__)

INTERVAL_SECONDS = 5
SILENT_AFTER = timedelta(seconds=30)
"""A replica counts as silent if its last sign of life is older than this."""
_KEPT_SECONDS = 3_600
_TIMEOUT_SECONDS = 5
FLOWER = "flower"
SERVICES = ("intake", "importer", "retrier", "backoffice", "scheduler", "console", FLOWER)
"""The services whose processes send signs of life."""


class Replica(NamedTuple):
    """A process of a service, as `host:pid`, and the time since its last sign of life."""

    name: str
    age: timedelta

    @property
    def is_silent(self) -> bool:
        """Whether the process is probably dead or frozen."""
        return self.age > SILENT_AFTER


def send_sign_of_life(client: redis.Redis, service: str) -> None:
    """Record that this process of the service is running. Raises RedisError."""
    name = _process_name()
    with client.pipeline(transaction=False) as pipeline:
        pipeline.sadd(_set_key(service), name)
        pipeline.set(_replica_key(service, name), "alive", ex=_KEPT_SECONDS)
        pipeline.execute()


def sign_off(client: redis.Redis, service: str) -> None:
    """Delete this process's sign of life, because the process ends normally. Raises RedisError."""
    name = _process_name()
    with client.pipeline(transaction=False) as pipeline:
        pipeline.delete(_replica_key(service, name))
        pipeline.srem(_set_key(service), name)
        pipeline.execute()


def read_replicas(client: redis.Redis, service: str) -> list[Replica]:
    """Return the replicas of a service, most recently seen first. Replicas not seen for an hour are omitted.

    `client` must be connected to the broker's database for Flower, and to the feed's database for all other services.
    Raises RedisError.
    """
    names = sorted(each.decode() if isinstance(each, bytes) else each for each in client.smembers(_set_key(service)))
    with client.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.ttl(_replica_key(service, name))
        left = dict(zip(names, pipeline.execute(), strict=True))
    if gone := [name for name, seconds in left.items() if seconds < 0]:
        client.srem(_set_key(service), *gone)
    found = [Replica(name, timedelta(seconds=_KEPT_SECONDS - left[name])) for name in names if name not in gone]
    return sorted(found, key=lambda each: (each.age, each.name))


@contextmanager
def signs_of_life(redis_url: str, service: str, is_progressing: Callable[[], bool] = lambda: True) -> Iterator[None]:
    """Start a thread that sends signs of life of this process until the block ends. Then delete the last one.

    While `is_progressing` returns False, no signs of life are sent.
    """
    stopping = threading.Event()
    client = make_redis_client(redis_url, socket_timeout=_TIMEOUT_SECONDS, socket_connect_timeout=_TIMEOUT_SECONDS)

    def send_repeatedly() -> None:
        while not stopping.is_set():
            if is_progressing():
                _log_failure(lambda: send_sign_of_life(client, service))
            stopping.wait(INTERVAL_SECONDS)

    with closing(client):
        thread = threading.Thread(target=send_repeatedly, name="signs of life", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join(INTERVAL_SECONDS)
            _log_failure(lambda: sign_off(client, service))


def _log_failure(send: Callable[[], None]) -> None:
    try:
        send()
    except redis.RedisError as error:
        log.info("sign_of_life_not_sent", error_class=type(error).__name__)


def _process_name() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


def _set_key(service: str) -> str:
    return f"{_key_prefix(service)}replicas:{service}"


def _replica_key(service: str, name: str) -> str:
    return f"{_key_prefix(service)}replica:{service}:{name}"


def _key_prefix(service: str) -> str:
    # The Redis user of Flower may write no other keys.
    return "payments:flower:" if service == FLOWER else "payments:"
