"""The heartbeat of a Celery worker. A worker makes progress if its event loop runs and its pool finishes tasks in time.

A worker that waits for Redis also counts as making progress, because a restart would not help. Without a connection, a
worker has no event loop. If Redis accepts connections but does not answer, the event loop waits in calls that time out
one after the other. If a worker stays idle after Redis is back, the watchdog ends it.
"""

import threading
import time
from collections.abc import Callable, Iterable

import redis
from celery import Celery, bootsteps
from celery.worker import state
from celery.worker.request import Request
from kombu.asynchronous.timer import Entry, Timer

from config.celery import HARD_LIMIT_SECONDS
from tasks.resources import connect_redis
from workers.runtime.heartbeat_writer import HEARTBEAT_SECONDS, HeartbeatWriter

REQUEST_SECONDS_MAX = 2 * HARD_LIMIT_SECONDS + 30
"""Maximum time from a message's arrival in the worker to the end of its task.

It includes one earlier task, the task itself, and the start of a pool process. Only a frozen pool process needs longer.
"""


STILL_SECONDS = 3
"""After this time without progress, a worker checks whether the broker answers."""


class WorkerProgress:
    """Measures when the worker made progress for the last time. All times are in monotonic seconds."""

    def __init__(self) -> None:
        self._loop_turned: float | None = None
        self._is_waiting = False
        self._timer_entry: Entry | None = None
        self._received: dict[str, float] = {}

    def observe_loop(self, timer: Timer) -> None:
        """Start to observe the event loop. It runs the entries of `timer` while the worker is connected."""
        self.turn_loop()
        self._timer_entry = timer.call_repeatedly(HEARTBEAT_SECONDS, self.turn_loop)  # type: ignore[no-untyped-call]

    def turn_loop(self) -> None:
        """Record that the event loop runs."""
        self._loop_turned, self._is_waiting = time.monotonic(), False

    def stop_observing_loop(self) -> None:
        """Stop observing the event loop, because the connection is lost or the worker stops."""
        self._loop_turned = None
        if self._timer_entry is not None:
            self._timer_entry.cancel()  # type: ignore[no-untyped-call]

    def last_progress(self, requests: Iterable[Request], now: float, is_broker_answering: Callable[[], bool]) -> float:
        """Return the time at which the worker last made progress. `requests` are the messages that it has not finished.

        If the worker makes no progress and the broker does not answer, the worker waits for the broker. Waiting counts
        as progress, and all measurements start again. The time of a request is measured from the first call that
        includes it, because Celery records times by the system clock.
        """
        self._received = {each.id: self._received.get(each.id, now) for each in requests}
        turned = now if self._loop_turned is None else self._loop_turned
        last = min(turned, *(seen + REQUEST_SECONDS_MAX for seen in self._received.values()), now)
        if self._loop_turned is None or (now - last > STILL_SECONDS and not is_broker_answering()):
            self._wait_for_broker()
            return time.monotonic()
        return last

    def _wait_for_broker(self) -> None:
        self._is_waiting = True
        self._received.clear()
        if self._loop_turned is not None:
            self._loop_turned = time.monotonic()

    @property
    def is_ready(self) -> bool:
        """Whether the worker is connected to the broker, and the broker answers."""
        return self._loop_turned is not None and not self._is_waiting


def start_worker_heartbeat(app: Celery, writer: HeartbeatWriter, broker_url: str) -> None:
    """Observe the worker of this application, and write its heartbeat every second from a thread."""
    progress, broker = WorkerProgress(), connect_redis(broker_url)

    class EventLoopObserver(bootsteps.StartStopStep):
        """A step of Celery's worker. It starts when the worker has connected, and stops when the connection is lost."""

        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, consumer: object) -> None:
            progress.observe_loop(consumer.timer)  # type: ignore[attr-defined]  # Celery has no type annotations

        def stop(self, consumer: object) -> None:  # noqa: ARG002 (Celery's interface)
            progress.stop_observing_loop()

    app.steps["consumer"].add(EventLoopObserver)
    arguments = (progress, writer, lambda: _does_broker_answer(broker))
    threading.Thread(target=_write_heartbeats, args=arguments, name="heartbeat", daemon=True).start()


def _write_heartbeats(
    progress: WorkerProgress, writer: HeartbeatWriter, is_broker_answering: Callable[[], bool]
) -> None:
    """Write the heartbeat every second."""
    while True:
        last = progress.last_progress(_unfinished_requests(), time.monotonic(), is_broker_answering)
        writer.write(progress_seconds=last, is_ready=progress.is_ready)
        time.sleep(HEARTBEAT_SECONDS)


def _unfinished_requests() -> list[Request]:
    while True:
        try:
            return list(state.reserved_requests)
        except RuntimeError:  # a request arrived or ended during the iteration
            continue


def _does_broker_answer(broker: redis.Redis) -> bool:
    try:
        return bool(broker.ping())
    except redis.RedisError:
        return False
