"""Notices that a Celery worker has gone deaf, and ends it, so that whoever supervises it starts another.

After a Redis that stood still, or connections that were cut at an unlucky moment, a worker may stay up and connected,
be busy with nothing, and never take a message again. Only the worker itself knows that it is at nothing; so it looks
for itself, once a second, whether messages wait that it does not hear of.
"""

import os
import threading
import time
from collections.abc import Callable, Sequence

import redis
import structlog
from celery.signals import task_received, worker_ready
from celery.worker import state

from config.celery import HARD_LIMIT_SECONDS, KEY_PREFIX
from tasks.resources import connect_redis

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1
DEAF_SECONDS = 15
"""How long messages may wait for a worker that is at nothing."""
OVERDUE_SECONDS = 30
"""How long after its hard limit a task still counts as being worked on."""
EXIT_DEAF = 70


class Hearing:
    """How long messages have been waiting for a worker that is at nothing and hears of none of them."""

    def __init__(self) -> None:
        self._silent_since: float | None = None

    def heard(self, **_signal: object) -> None:
        """Note that a message has come."""
        self._silent_since = None

    def is_lost(self, *, waiting: bool, busy: bool, now: float) -> bool:
        """Take note of what is so now, and say whether it has been so for too long; `now` is on a steady clock."""
        if busy or not waiting:
            self._silent_since = None
        elif self._silent_since is None:
            self._silent_since = now
        return self._silent_since is not None and now - self._silent_since >= DEAF_SECONDS


def watch_hearing(broker_url: str, queues: Sequence[str]) -> None:
    """Have the worker of this process watch its own hearing once it is ready."""
    hearing = Hearing()
    task_received.connect(hearing.heard, weak=False)
    broker = connect_redis(broker_url)

    def begin(**_signal: object) -> None:
        arguments = (hearing, lambda: _messages_wait(broker, queues))
        threading.Thread(target=_watch, args=arguments, name="hearing", daemon=True).start()

    worker_ready.connect(begin, weak=False)


def _watch(hearing: Hearing, messages_wait: Callable[[], bool]) -> None:
    while not _look(hearing, messages_wait):
        time.sleep(LOOK_SECONDS)
    log.critical("gone deaf", why="messages wait, nothing is under way, and none is taken", seconds=DEAF_SECONDS)
    # Nothing is under way that would have to be ended in order; and what is deaf may not hear a request to stop.
    os._exit(EXIT_DEAF)


def _look(hearing: Hearing, messages_wait: Callable[[], bool]) -> bool:
    """Say whether hearing is lost. Nothing may end this thread, or nobody would look any more."""
    try:
        return hearing.is_lost(waiting=messages_wait(), busy=_is_busy(time.time()), now=time.monotonic())
    except Exception:
        log.exception("hearing not looked at")
        return False


def _messages_wait(broker: redis.Redis, queues: Sequence[str]) -> bool:
    try:
        return any(broker.llen(f"{KEY_PREFIX}{queue}") for queue in queues)
    except redis.RedisError:  # a broker that does not answer is nothing that another worker would hear better
        return False


def _is_busy(now: float) -> bool:
    """Say whether a task is under way that may still be; one long past its hard limit is only thought to be."""
    try:
        under_way = list(state.active_requests)
    except RuntimeError:  # one began or ended while this thread was counting
        return True
    for request in under_way:
        limit = request.task.time_limit or HARD_LIMIT_SECONDS
        if request.time_start is None or now - request.time_start < limit + OVERDUE_SECONDS:
            return True
    return False
