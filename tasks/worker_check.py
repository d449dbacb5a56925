"""Check that a worker consumes each queue: by the signs of life of the worker's replicas, or by a ping."""

import uuid
from contextlib import closing

import redis
from kombu.exceptions import OperationalError

from config.celery import FINDINGS, IMPORTS, KEY_PREFIX, RETRIES, celery_settings, fail_fast
from config.engines import Engines
from tasks import wire_names
from tasks.app import app, close_app, make_app
from tasks.component_status import ComponentStatus, down_status, status_of_replicas, up_status
from tasks.enqueue import WAITING_MESSAGES_MAX
from tasks.replicas import read_replicas
from tasks.resources import connect_redis

PING_VALID_SECONDS_MIN = 60
QUEUE_BY_WORKER = {"importer": IMPORTS, "retrier": RETRIES, "backoffice": FINDINGS}
"""The queue to which the ping of each Celery worker is sent."""


def check_workers(engines: Engines, feed: redis.Redis, timeout_seconds: int) -> list[ComponentStatus]:
    """Check the Celery workers, and return their status. Each worker must answer a ping within `timeout_seconds`.

    If the timeout is 0, no ping is sent, and the workers' signs of life are checked instead. Pages that refresh
    themselves pass 0, because each ping is a task in Flower's list.
    """
    if timeout_seconds:
        found = _ping_workers(engines, feed, timeout_seconds)
        return [each._replace(replicas=read_replicas(feed, each.name)) for each in found]
    return [
        status_of_replicas(name, f"takes messages from {queue}", read_replicas(feed, name))
        for name, queue in QUEUE_BY_WORKER.items()
    ]


def _ping_workers(engines: Engines, feed: redis.Redis, timeout_seconds: int) -> list[ComponentStatus]:
    make_app(fail_fast(celery_settings(engines)))
    valid_seconds = max(PING_VALID_SECONDS_MIN, timeout_seconds)
    with closing(connect_redis(engines.broker_url)) as broker:
        reply_lists = {name: send_ping(feed, broker, queue, valid_seconds) for name, queue in QUEUE_BY_WORKER.items()}
    close_app()
    replies = _collect_replies(feed, {reply_to for reply_to in reply_lists.values() if reply_to}, timeout_seconds)
    return [
        _worker_status(name, queue, reply_lists[name], replies, timeout_seconds)
        for name, queue in QUEUE_BY_WORKER.items()
    ]


def send_ping(feed: redis.Redis, broker: redis.Redis, queue: str, valid_seconds: int) -> str | None:
    """Send a ping. Return the Redis list for its reply, or None if no ping was sent.

    None means that the broker does not accept the ping, or that the queue is already long. No worker consumes a long
    queue, so pings would pile up in it.
    """
    reply_to = f"payments:canary:{uuid.uuid4()}"
    valid_while = f"{reply_to}:valid"
    try:
        if broker.llen(f"{KEY_PREFIX}{queue}") < WAITING_MESSAGES_MAX:
            feed.set(valid_while, 1, ex=valid_seconds)
            arguments = {"reply_to": reply_to, "valid_while": valid_while}
            app.send_task(wire_names.PING, kwargs=arguments, queue=queue, ignore_result=True)
    except (redis.RedisError, OperationalError):
        return None
    return reply_to


def _collect_replies(feed: redis.Redis, awaited: set[str], timeout_seconds: int) -> dict[str, str]:
    """Wait for one reply on each Redis list. Return, by list, the worker that replied.

    Lists without a reply are omitted. The timeout applies to all lists together.
    """
    replies: dict[str, str] = {}
    silent_seconds = 0
    while awaited and silent_seconds < timeout_seconds:
        # One second at a time: BLPOP must end before the client's socket timeout.
        if answer := feed.blpop(sorted(awaited), timeout=1):
            reply_to, worker = (each.decode() if isinstance(each, bytes) else each for each in answer)
            replies[reply_to] = worker
            awaited = awaited - {reply_to}
        else:
            silent_seconds += 1
    return replies


def _worker_status(
    name: str, queue: str, reply_to: str | None, replies: dict[str, str], timeout_seconds: int
) -> ComponentStatus:
    if reply_to is None:
        return down_status(name, "the broker does not accept messages")
    if reply_to not in replies:
        return down_status(name, f"no reply from queue {queue} within {timeout_seconds} s")
    return up_status(name, f"{replies[reply_to]} takes messages from {queue}")
