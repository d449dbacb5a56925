"""The heartbeat of a Celery worker: its event loop turns, and its pool processes finish what they are given.

While the worker has no connection to the broker, it waits for one and has no event loop. That counts as progress: a
restart would not bring Redis back. The watchdog ends a worker that stays idle although Redis is back.
"""

import threading
import time
from collections.abc import Iterable

from celery import Celery, bootsteps
from celery.worker import state
from celery.worker.request import Request
from kombu.asynchronous.timer import Entry, Timer

from config.celery import HARD_LIMIT_SECONDS
from workers.runtime.heartbeat_writer import HEARTBEAT_SECONDS, HeartbeatWriter

REQUEST_SECONDS_MAX = 2 * HARD_LIMIT_SECONDS + 30
"""The longest time from a message's arrival in the worker to the end of its task: one task before it, the task itself,
and the start of a pool process. A frozen pool process exceeds it."""


class WorkerProgress:
    """Measures when the worker last made progress. All times are in monotonic seconds."""

    def __init__(self) -> None:
        self._loop_turned: float | None = None
        self._timer_entry: Entry | None = None
        self._received: dict[str, float] = {}

    def start_loop(self, timer: Timer) -> None:
        """Observe the event loop, which runs the entries of this timer while the worker is connected."""
        self.turn_loop()
        self._timer_entry = timer.call_repeatedly(HEARTBEAT_SECONDS, self.turn_loop)  # type: ignore[no-untyped-call]

    def turn_loop(self) -> None:
        """Record that the event loop runs."""
        self._loop_turned = time.monotonic()

    def stop_loop(self) -> None:
        """Stop to observe the event loop: the connection is lost, or the worker stops."""
        self._loop_turned = None
        if self._timer_entry is not None:
            self._timer_entry.cancel()  # type: ignore[no-untyped-call]

    @property
    def is_connected(self) -> bool:
        """Whether the worker is connected to the broker and runs its event loop."""
        return self._loop_turned is not None

    def last_progress(self, requests: Iterable[Request], now: float) -> float:
        """Return when the worker last made progress. `requests` are the messages that it received and did not finish.

        A request's time counts from the first call with this request, because Celery records times by the system clock.
        """
        self._received = {each.id: self._received.get(each.id, now) for each in requests}
        turned = now if self._loop_turned is None else self._loop_turned
        return min(turned, *(seen + REQUEST_SECONDS_MAX for seen in self._received.values()), now)


def start_worker_heartbeat(app: Celery, writer: HeartbeatWriter) -> None:
    """Observe the worker of this application, and write its heartbeat every second from a thread."""
    progress = WorkerProgress()

    class EventLoopObserver(bootsteps.StartStopStep):
        """Celery starts this step whenever the worker has connected, and stops it when the connection is lost."""

        requires = ("celery.worker.consumer.tasks:Tasks",)

        def start(self, consumer: object) -> None:
            progress.start_loop(consumer.timer)  # type: ignore[attr-defined]  # Celery has no type annotations

        def stop(self, consumer: object) -> None:  # noqa: ARG002 (Celery's interface)
            progress.stop_loop()

    app.steps["consumer"].add(EventLoopObserver)
    threading.Thread(target=_write_heartbeats, args=(progress, writer), name="heartbeat", daemon=True).start()


def _write_heartbeats(progress: WorkerProgress, writer: HeartbeatWriter) -> None:
    """Write the heartbeat every second."""
    while True:
        writer.write(progress_seconds=_last_progress(progress), is_ready=progress.is_connected)
        time.sleep(HEARTBEAT_SECONDS)


def _last_progress(progress: WorkerProgress) -> float:
    now = time.monotonic()
    try:
        return progress.last_progress(list(state.reserved_requests), now)
    except RuntimeError:  # a request arrived or ended during the iteration
        return now
