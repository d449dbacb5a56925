"""A Celery beat scheduler that remembers nothing, sends each task once, and ignores steps of the system clock."""

from pathlib import Path
from typing import Any

import redis
import structlog
from celery import Celery
from celery.beat import ScheduleEntry, Scheduler

from tasks import recurring
from tasks.enqueue import enqueue_recurring
from tasks.feed.heartbeat import SCHEDULER_HEARTBEAT_KEY, SCHEDULER_HEARTBEAT_SECONDS, send_heartbeat

log = structlog.get_logger(__name__)


class SteadyScheduler(Scheduler):
    """Beat's scheduler without a file.

    It sends every task when it starts. Whether there is something to do is decided from PostgreSQL, so neither a lost
    file nor a daily restart leaves out nightly work. A task is not sent while its last message waits.
    """

    def __init__(self, app: Celery, *, feed: redis.Redis, broker: redis.Redis, beat_file: Path, **options: Any) -> None:
        """Touch `beat_file` at every tick, for the health check of its container."""
        self._feed, self._broker, self._beat_file = feed, broker, beat_file
        super().__init__(app, **options)

    def setup_schedule(self) -> None:
        """Load the schedule, with every task due now."""
        self.merge_inplace(self.app.conf.beat_schedule)
        for entry in self.schedule.values():
            entry.last_run_at = entry.default_now() - entry.schedule.run_every

    def tick(self, *arguments: object, **options: object) -> float:
        """Send what is due, and return the seconds until the next tick.

        Celery's own scheduler would send nothing after the clock is set back, until it is the time of the last run
        again.
        """
        ahead = [entry for entry in self.schedule.values() if entry.last_run_at > entry.default_now()]
        for entry in ahead:
            entry.last_run_at = entry.default_now()
        if ahead:
            self._heap = None
        self._tell_alive()
        seconds: float = super().tick(*arguments, **options)
        return seconds

    def apply_entry(self, entry: ScheduleEntry, producer: object = None) -> None:  # noqa: ARG002 (Celery's interface)
        """Send a task unless its last message waits."""
        enqueue_recurring(self._broker, entry.task)
        try:
            recurring.expect(self._feed, entry.task)
        except redis.RedisError as error:
            log.info("task_not_expected", enqueued_task=entry.task, error_class=type(error).__name__)

    def _tell_alive(self) -> None:
        self._beat_file.touch()
        try:
            send_heartbeat(self._feed, SCHEDULER_HEARTBEAT_KEY, SCHEDULER_HEARTBEAT_SECONDS)
        except redis.RedisError as error:
            log.info("heartbeat_not_sent", error_class=type(error).__name__)
