"""Check that PostgreSQL and Redis answer, that every service runs, and that no event is stuck and no task fails."""

import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import redis

from config.celery import KEY_PREFIX, QUEUE_NAMES
from config.engines import Engines, StackFile, running_stack
from config.redis_clients import primary_address
from config.schedule import RecurringTask
from config.settings import Settings
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.connection import UnsuitableDatabaseError, accepts_no_writes, connect, is_reachable
from payments.store.db.isolation import check_isolation
from payments.store.migrations import is_current
from tasks import failed_tasks, recurring
from tasks.component_status import ComponentStatus, attention_status, down_status, status_of_replicas, up_status
from tasks.enqueue import WAITING_MESSAGES_MAX
from tasks.failed_tasks import FailedTask
from tasks.feed import outage
from tasks.feed.deleted_entries import recently_deleted_count
from tasks.feed.heartbeat import (
    HEARTBEAT_EXPIRY_SECONDS,
    SCHEDULER_HEARTBEAT_EXPIRY_SECONDS,
    SCHEDULER_HEARTBEAT_KEY,
    has_heartbeat,
)
from tasks.feed.oldest_events import WaitingEvents, waiting_by_company
from tasks.feed.streams import FeedStats, Streams
from tasks.outage_wording import SENTENCE_BY_OUTAGE
from tasks.replicas import FLOWER, Replica, read_replicas
from tasks.resources import connect_redis
from tasks.worker_check import check_workers

SCHEDULER_START_SECONDS = 3
AGE_MAX = timedelta(minutes=5)
"""An unprocessed event that is older counts as stuck. The alarm PaymentsFeedLags has the same limit."""
LISTED_COMPANIES_MAX = 5
FAILED_TASKS_PERIOD = timedelta(days=1)
"""Tasks that failed within this time are reported."""


@dataclass(frozen=True)
class Health:
    """The components of an installation with their status, and the data of Redis from which the status was determined.

    If Redis does not answer, only `components` is set. If the broker does not answer, `queue_lengths` is empty. `feed`
    is None for a limited scope, because the feed holds the entries of all companies.
    """

    components: list[ComponentStatus]
    queue_lengths: Mapping[str, int] = field(default_factory=dict)
    waiting: Sequence[WaitingEvents] = ()
    failed_tasks: Sequence[FailedTask] = ()
    success_ages: Mapping[RecurringTask, timedelta] = field(default_factory=dict)
    feed: FeedStats | None = None


def check_health(engines: Engines, settings: Settings, timeout_seconds: int, scope: Scope = EVERYTHING) -> Health:
    """Check every component and return the result. Only companies of the scope are named.

    All workers must reply to a ping within `timeout_seconds`. If it is 0, no ping is sent, and the workers' signs of
    life are checked instead. Flower and the console are included if they have run within the last hour, or if `payments
    up` runs in this PAYMENTS_HOME. If Redis does not answer, the result omits the services.
    """
    postgres = _check_postgres(engines)
    with closing(connect_redis(engines.redis_url)) as feed, closing(connect_redis(engines.broker_url)) as broker:
        redis_status = _check_redis(feed)
        if not redis_status.is_up:
            return Health([postgres, redis_status])
        streams, now = Streams.from_settings(feed, settings), datetime.now(UTC)
        waiting, failed = waiting_by_company(streams, now, scope), failed_tasks.read(feed, now - FAILED_TASKS_PERIOD)
        broker_status, queue_lengths = _check_broker(broker)
        components = [
            *(postgres, redis_status, broker_status),
            _check_intake(feed, settings),
            _check_import(feed),
            _check_age(waiting),
            *check_workers(engines, feed, timeout_seconds),
            _check_scheduler(feed, SCHEDULER_START_SECONDS if timeout_seconds else 0),
            _check_failed_tasks(failed),
            *_check_pages(feed, broker, running_stack(settings.home)),
        ]
        stats = streams.stats(now) if scope == EVERYTHING else None
        return Health(components, queue_lengths, waiting, failed, recurring.success_ages(feed), stats)


def _check_postgres(engines: Engines) -> ComponentStatus:
    engine = connect(engines.database_url, application_name="payments health")
    try:
        if not is_reachable(engine):
            return down_status("PostgreSQL", "does not answer")
        current, is_read_only = is_current(engine), accepts_no_writes(engine)
        if current:
            check_isolation(engines.database_url, application_name="payments health")
    except UnsuitableDatabaseError as error:
        return down_status("PostgreSQL", str(error))
    finally:
        engine.dispose()
    if is_read_only:
        return down_status("PostgreSQL", "answers, but it is read-only: it is not the primary")
    if not current:
        next_step = "Run python -m workers.migrate, or start the services of the newer release."
        return down_status("PostgreSQL", "answers, but its schema is out of date", next_step)
    return up_status("PostgreSQL", "answers")


def _check_redis(feed: redis.Redis) -> ComponentStatus:
    try:
        memory = feed.info("memory")
    except redis.RedisError as error:
        return down_status("Redis", str(error))
    used, most = int(memory["used_memory"]), int(memory.get("maxmemory", 0))
    if most and used >= most:
        detail = f"answers, but its memory is full ({used:,} of {most:,} bytes): the EMR cannot publish"
        return down_status("Redis", detail)
    primary = primary_address(feed)
    return up_status("Redis", f"answers (primary {primary})" if primary else "answers")


def _check_broker(broker: redis.Redis) -> tuple[ComponentStatus, Mapping[str, int]]:
    """Check that the broker answers, and that no queue is too long. A long queue means that no worker consumes it.

    Returns the status, and the lengths of the queues.
    """
    try:
        lengths = {queue: broker.llen(f"{KEY_PREFIX}{queue}") for queue in QUEUE_NAMES}
    except redis.RedisError as error:
        return down_status("broker", str(error)), {}
    if long := [f"{length:,} in {queue}" for queue, length in lengths.items() if length >= WAITING_MESSAGES_MAX]:
        next_step = "Start the worker that takes these messages."
        return down_status("broker", f"messages wait: {', '.join(long)}", next_step), lengths
    return up_status("broker", f"answers; {sum(lengths.values()):,} messages wait"), lengths


def _check_intake(feed: redis.Redis, settings: Settings) -> ComponentStatus:
    return _intake_status(feed, settings)._replace(replicas=read_replicas(feed, "intake"))


def _intake_status(feed: redis.Redis, settings: Settings) -> ComponentStatus:
    if unread := Streams.from_settings(feed, settings).unread_names():
        detail = f"does not read {', '.join(unread)}: PAYMENTS_STREAMS is lower than the publisher's number of streams"
        return down_status("intake", detail)
    if not has_heartbeat(feed):
        return down_status("intake", f"no heartbeat for {HEARTBEAT_EXPIRY_SECONDS} s")
    if deleted := recently_deleted_count(feed):
        detail = f"{deleted:,} deleted from the stream before their import, the last within an hour: they may be lost"
        return down_status("intake", detail)
    return up_status("intake", "reads the feed")


def _check_import(feed: redis.Redis) -> ComponentStatus:
    """Check that no outage pauses the import. Return the status."""
    found = outage.current(feed)
    if found is None:
        return up_status("import", "no outage")
    seconds = (datetime.now(UTC) - found.since) // timedelta(seconds=1)
    detail = f"paused for {seconds} s: {SENTENCE_BY_OUTAGE[found.reason]} ({found.reason})"
    return down_status("import", detail)


def _check_age(waiting: Sequence[WaitingEvents]) -> ComponentStatus:
    """Check that no unprocessed event is older than AGE_MAX. Return the status."""
    old = [each for each in waiting if each.age > AGE_MAX]
    if not old:
        return up_status("feed", "no event waits for long")
    named = [f"{each.company or 'unknown company'} for {each.age // timedelta(seconds=1):,} s" for each in old]
    more = f" and {len(named) - LISTED_COMPANIES_MAX:,} more" if len(named) > LISTED_COMPANIES_MAX else ""
    detail = f"events wait: {', '.join(named[:LISTED_COMPANIES_MAX])}{more}"
    return down_status("feed", detail)


def _check_scheduler(feed: redis.Redis, start_seconds: int = SCHEDULER_START_SECONDS) -> ComponentStatus:
    """Check that the scheduler runs, and that each recurring task that it sends succeeds. Return the status.

    A scheduler that has just been started gets up to `start_seconds` to send its first heartbeat.
    """
    return _scheduler_status(feed, start_seconds)._replace(replicas=read_replicas(feed, "scheduler"))


def _scheduler_status(feed: redis.Redis, start_seconds: int) -> ComponentStatus:
    waited_seconds = 0
    while not (is_alive := has_heartbeat(feed, SCHEDULER_HEARTBEAT_KEY)) and waited_seconds < start_seconds:
        time.sleep(1)
        waited_seconds += 1
    if not is_alive:
        return down_status("scheduler", f"no heartbeat for {SCHEDULER_HEARTBEAT_EXPIRY_SECONDS} s")
    if late := recurring.late_tasks(feed):
        overdue = ", ".join(f"{each.task} for {age // timedelta(seconds=1)} s" for each, age in late.items())
        next_step = "Look for these tasks among the failed tasks, and check that their worker runs."
        return down_status("scheduler", f"runs, but without success: {overdue}", next_step)
    return up_status("scheduler", "sends the recurring tasks, and they succeed")


def _check_failed_tasks(failed: Sequence[FailedTask]) -> ComponentStatus:
    """Check that no task failed within FAILED_TASKS_PERIOD. Return the status.

    A failed task loses no work, because a sweep repeats the work.
    """
    if not failed:
        return up_status("failed tasks", "none in the last 24 hours")
    named = sorted({each.task for each in failed})
    return attention_status("failed tasks", f"{len(failed):,} in the last 24 hours: {', '.join(named)}")


def _check_pages(feed: redis.Redis, broker: redis.Redis, stack: StackFile | None) -> list[ComponentStatus]:
    """Return the status of Flower and of the console.

    If `payments up` runs them, their addresses are requested. Otherwise their signs of life are read.
    """
    found = []
    for name, service, client, url, path in (
        ("Flower", FLOWER, broker, stack.flower_url if stack else None, "healthcheck"),
        ("console", "console", feed, stack.console_url if stack else None, "health"),
    ):
        replicas = _replicas_if_reachable(client, service)
        if url is not None:
            found.append(_check_url(name, url, path)._replace(replicas=replicas))
        elif replicas:
            found.append(status_of_replicas(name, "runs", replicas))
    return found


def _replicas_if_reachable(client: redis.Redis, service: str) -> list[Replica]:
    """Return the replicas of a service.

    Return none if their Redis does not answer, because Redis has its own status.
    """
    try:
        return read_replicas(client, service)
    except redis.RedisError:
        return []


def _check_url(name: str, url: str, path: str) -> ComponentStatus:
    try:
        with urllib.request.urlopen(f"{url}/{path}", timeout=5):  # noqa: S310 (an address that `payments up` wrote)
            return up_status(name, url)
    except OSError as error:
        return down_status(name, f"{url}: {error}")
