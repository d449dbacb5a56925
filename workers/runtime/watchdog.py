"""Watchdog of a Celery worker. It ends a worker that no longer takes messages, so that its supervisor restarts it.

After an outage of Redis or of the network, a worker may stay connected and idle, and never receive a message again.
Only the worker itself can tell that it is idle. So a thread of the worker checks once a second whether messages wait in
its queues.
"""

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence

import redis
import structlog
from celery.signals import task_received, worker_ready
from celery.worker import state
from celery.worker.request import Request

from config.celery import HARD_LIMIT_SECONDS, KEY_PREFIX
from tasks.resources import connect_redis

log = structlog.get_logger(__name__)

CHECK_SECONDS = 1
STALLED_SECONDS = 15
"""If messages have waited for this time while the worker is idle, the worker counts as stalled."""
OVERDUE_SECONDS = 30
"""A task that runs for this time after its hard time limit no longer counts as running."""
EXIT_STALLED = 70


class Watchdog:
    """Measures how long messages have been waiting while the worker is idle and receives none.

    All times are in monotonic seconds, so a change of the system clock does not end a worker.
    """

    def __init__(self) -> None:
        self._idle_since: float | None = None
        self._running_since: dict[str, float] = {}

    def message_received(self, **_signal: object) -> None:
        """Restart the measurement, because a message arrived. Handler of Celery's signal `task_received`."""
        self._idle_since = None

    def is_stalled(self, *, waiting: bool, busy: bool, now: float) -> bool:
        """Return whether messages have been waiting for STALLED_SECONDS while the worker was idle.

        `waiting` means that messages wait at present, `busy` that the worker is running a task.
        """
        if busy or not waiting:
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        return self._idle_since is not None and now - self._idle_since >= STALLED_SECONDS

    def is_busy(self, running: Iterable[Request], now: float) -> bool:
        """Return whether a task in `running` counts as running. A task long past its hard time limit does not count.

        The running time of a task is measured from the first call that includes it, because Celery records the start by
        the system clock.
        """
        requests = {request.id: request for request in running}
        self._running_since = {each: self._running_since.get(each, now) for each in requests}
        return any(
            now - self._running_since[each] < (request.task.time_limit or HARD_LIMIT_SECONDS) + OVERDUE_SECONDS
            for each, request in requests.items()
        )


def start_watchdog(broker_url: str, queues: Sequence[str]) -> None:
    """Start the watchdog's thread as soon as Celery sends the signal `worker_ready`."""
    watchdog = Watchdog()
    task_received.connect(watchdog.message_received, weak=False)
    broker = connect_redis(broker_url)

    def start_thread(**_signal: object) -> None:
        arguments = (watchdog, lambda: _has_waiting_messages(broker, queues))
        threading.Thread(target=_watch_worker, args=arguments, name="watchdog", daemon=True).start()

    worker_ready.connect(start_thread, weak=False)


def _watch_worker(watchdog: Watchdog, has_waiting_messages: Callable[[], bool]) -> None:
    """Check once a second, and exit the process if the worker is stalled."""
    while not _is_stalled(watchdog, has_waiting_messages):
        time.sleep(CHECK_SECONDS)
    log.critical("worker_stalled", reason="messages wait, and the idle worker takes none", seconds=STALLED_SECONDS)
    # No task is running that should end in order, and a stalled worker may ignore a request to stop.
    os._exit(EXIT_STALLED)


def _is_stalled(watchdog: Watchdog, has_waiting_messages: Callable[[], bool]) -> bool:
    """Return whether the worker is stalled. Errors are logged, because they must not end the watchdog's thread."""
    now = time.monotonic()
    try:
        return watchdog.is_stalled(waiting=has_waiting_messages(), busy=_is_busy(watchdog, now), now=now)
    except Exception:
        log.exception("watchdog_check_failed")
        return False


def _has_waiting_messages(broker: redis.Redis, queues: Sequence[str]) -> bool:
    try:
        return any(broker.llen(f"{KEY_PREFIX}{queue}") for queue in queues)
    except redis.RedisError:  # a restarted worker could not reach the broker either
        return False


def _is_busy(watchdog: Watchdog, now: float) -> bool:
    """Return whether this worker is running a task. `now` is in monotonic seconds."""
    try:
        running = list(state.active_requests)
    except RuntimeError:  # a task started or ended during the iteration
        return True
    return watchdog.is_busy(running, now)
