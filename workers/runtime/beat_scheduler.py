"""A Celery beat scheduler without stored state. It keeps at most one message per task, and ignores clock changes."""

from collections.abc import Callable
from typing import Any

import redis
import structlog
from celery import Celery
from celery.beat import ScheduleEntry, Scheduler

from tasks import recurring
from tasks.enqueue import enqueue_recurring
from tasks.feed.heartbeat import SCHEDULER_HEARTBEAT_EXPIRY_SECONDS, SCHEDULER_HEARTBEAT_KEY, send_heartbeat

log = structlog.get_logger(__name__)


class StatelessScheduler(Scheduler):
    """A scheduler for Celery beat that needs no schedule file.

    The scheduler sends every task when it starts, and each task reads in PostgreSQL whether work is due. So nightly
    work is done even if the scheduler is restarted daily. A task is not sent while its previous message waits in the
    queue.
    """

    # Celery's producer waits for the broker without end. `tasks.enqueue` sends the messages instead.
    producer = None

    def __init__(
        self,
        app: Celery,
        *,
        feed: redis.Redis,
        broker: redis.Redis,
        on_progress: Callable[[bool], None],
        **options: Any,
    ) -> None:
        """Create a scheduler that calls `on_progress` at every tick and before every task.

        The argument of `on_progress` is True if Redis accepted the last heartbeat.
        """
        self._feed, self._broker, self._on_progress = feed, broker, on_progress
        self._reaches_redis = False
        super().__init__(app, **options)

    def setup_schedule(self) -> None:
        """Load the schedule. Every task is due immediately."""
        self.merge_inplace(self.app.conf.beat_schedule)
        for entry in self.schedule.values():
            entry.last_run_at = entry.default_now() - entry.schedule.run_every

    def tick(self, *arguments: object, **options: object) -> float:
        """Send the due tasks, and return the seconds until the next tick.

        Changes of the system clock have no effect. If the clock was set back, Celery's own scheduler would send nothing
        until the clock had reached the time of the last run again.
        """
        ahead = [entry for entry in self.schedule.values() if entry.last_run_at > entry.default_now()]
        for entry in ahead:
            entry.last_run_at = entry.default_now()
        if ahead:
            self._heap = None
        self._send_heartbeat()
        seconds: float = super().tick(*arguments, **options)
        return seconds

    def apply_entry(self, entry: ScheduleEntry, producer: object = None) -> None:  # noqa: ARG002 (Celery's interface)
        """Send a task, unless its previous message still waits in the queue."""
        self._on_progress(self._reaches_redis)
        enqueue_recurring(self._broker, entry.task)
        try:
            recurring.start_measuring(self._feed, entry.task)
        except redis.RedisError as error:
            log.info("task_not_expected", enqueued_task=entry.task, error_class=type(error).__name__)

    def _send_heartbeat(self) -> None:
        try:
            send_heartbeat(self._feed, SCHEDULER_HEARTBEAT_KEY, SCHEDULER_HEARTBEAT_EXPIRY_SECONDS)
        except redis.RedisError as error:
            log.info("heartbeat_not_sent", error_class=type(error).__name__)
            self._reaches_redis = False
        else:
            self._reaches_redis = True
        self._on_progress(self._reaches_redis)
