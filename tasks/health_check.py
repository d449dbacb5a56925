"""Check that PostgreSQL and Redis answer, and that each worker takes messages and replies."""

import time
import urllib.request
import uuid
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import redis
from kombu.exceptions import OperationalError

from config.celery import FINDINGS, IMPORTS, KEY_PREFIX, RETRIES, celery_settings, fail_fast
from config.engines import Engines, running_stack
from config.redis_clients import primary_address
from config.settings import Settings
from payments.store.db.connection import UnsuitableDatabaseError, accepts_no_writes, connect, is_reachable
from payments.store.db.isolation import check_isolation
from payments.store.migrations import is_current
from tasks import recurring, wire_names
from tasks.app import app, close_app, make_app
from tasks.enqueue import WAITING_MESSAGES_MAX
from tasks.feed import outage
from tasks.feed.deleted_entries import recently_deleted_count
from tasks.feed.heartbeat import (
    HEARTBEAT_SECONDS,
    SCHEDULER_HEARTBEAT_KEY,
    SCHEDULER_HEARTBEAT_SECONDS,
    has_heartbeat,
)
from tasks.feed.oldest_events import ages_by_company
from tasks.feed.streams import Streams
from tasks.outage_wording import OUTAGES
from tasks.resources import connect_redis

PING_VALID_SECONDS_MIN = 60
SCHEDULER_START_SECONDS = 3
AGE_MAX = timedelta(minutes=5)
"""The age from which an unprocessed event counts as stuck. The alarm PaymentsFeedLags has the same limit."""
NAMED_MAX = 5


class ComponentStatus(NamedTuple):
    """Whether a component of the system works, with a sentence for the operator."""

    name: str
    is_up: bool
    detail: str


def check(engines: Engines, settings: Settings, timeout_seconds: int) -> list[ComponentStatus]:
    """Check every component. Flower and the console are included if `payments up` runs in this PAYMENTS_HOME.

    `timeout_seconds` limits how long the workers together may take to reply. If Redis does not answer, the result omits
    the intake and the workers.
    """
    statuses = [_check_postgres(engines)]
    with closing(connect_redis(engines.redis_url)) as feed:
        statuses.append(_check_redis(feed))
        if statuses[-1].is_up:
            statuses.append(_check_intake(feed, settings))
            statuses.append(_check_import(feed))
            statuses.append(_check_age(Streams.of(feed, settings), datetime.now(UTC)))
            statuses += _check_workers(engines, feed, timeout_seconds)
            statuses.append(_check_scheduler(feed))
    stack = running_stack(settings.home)
    if stack is None:
        return statuses
    return [
        *statuses,
        _check_url("Flower", stack.flower_url, "healthcheck"),
        _check_url("console", stack.console_url, "health"),
    ]


def _check_postgres(engines: Engines) -> ComponentStatus:
    engine = connect(engines.database_url, application_name="payments health")
    try:
        if not is_reachable(engine):
            return ComponentStatus("PostgreSQL", is_up=False, detail="does not answer")
        current, is_read_only = is_current(engine), accepts_no_writes(engine)
        if current:
            check_isolation(engines.database_url, application_name="payments health")
    except UnsuitableDatabaseError as error:
        return ComponentStatus("PostgreSQL", is_up=False, detail=str(error))
    finally:
        engine.dispose()
    if is_read_only:
        return ComponentStatus("PostgreSQL", is_up=False, detail="answers, but it is read-only: it is not the primary")
    return ComponentStatus("PostgreSQL", current, "answers" if current else "answers, but its schema is out of date")


def _check_redis(feed: redis.Redis) -> ComponentStatus:
    try:
        memory = feed.info("memory")
    except redis.RedisError as error:
        return ComponentStatus("Redis", is_up=False, detail=str(error))
    used, most = int(memory["used_memory"]), int(memory.get("maxmemory", 0))
    if most and used >= most:
        detail = f"answers, but its memory is full ({used:,} of {most:,} bytes): the EMR cannot publish"
        return ComponentStatus("Redis", is_up=False, detail=detail)
    primary = primary_address(feed)
    return ComponentStatus("Redis", is_up=True, detail=f"answers (primary {primary})" if primary else "answers")


def _check_intake(feed: redis.Redis, settings: Settings) -> ComponentStatus:
    if unread := Streams.of(feed, settings).unread_names():
        detail = f"does not read {', '.join(unread)}: PAYMENTS_STREAMS is lower than the publisher's number of streams"
        return ComponentStatus("intake", is_up=False, detail=detail)
    if not has_heartbeat(feed):
        return ComponentStatus("intake", is_up=False, detail=f"no heartbeat for {HEARTBEAT_SECONDS} s")
    if deleted := recently_deleted_count(feed):
        detail = f"{deleted:,} deleted from the stream before their import, the last within an hour: they may be lost"
        return ComponentStatus("intake", is_up=False, detail=detail)
    return ComponentStatus("intake", is_up=True, detail="reads the feed")


def _check_import(feed: redis.Redis) -> ComponentStatus:
    """Check that no outage pauses the import."""
    found = outage.current(feed)
    if found is None:
        return ComponentStatus("import", is_up=True, detail="no outage")
    seconds = (datetime.now(UTC) - found.since) // timedelta(seconds=1)
    detail = f"paused for {seconds} s: {OUTAGES[found.reason]} ({found.reason})"
    return ComponentStatus("import", is_up=False, detail=detail)


def _check_age(streams: Streams, now: datetime) -> ComponentStatus:
    """Check that no company's oldest unprocessed event is older than AGE_MAX."""
    old = {company: age for company, age in ages_by_company(streams, now).items() if age > AGE_MAX}
    if not old:
        return ComponentStatus("feed", is_up=True, detail="no event waits for long")
    named = [f"{company or 'unknown company'} for {age // timedelta(seconds=1):,} s" for company, age in old.items()]
    more = f" and {len(named) - NAMED_MAX:,} more" if len(named) > NAMED_MAX else ""
    detail = f"events wait: {', '.join(named[:NAMED_MAX])}{more}"
    return ComponentStatus("feed", is_up=False, detail=detail)


def _check_scheduler(feed: redis.Redis) -> ComponentStatus:
    """Check that the scheduler runs, and that each recurring task that it sends succeeds.

    The check waits a moment for the first heartbeat of a scheduler that has just been started.
    """
    waited_seconds = 0
    while not (is_alive := has_heartbeat(feed, SCHEDULER_HEARTBEAT_KEY)) and waited_seconds < SCHEDULER_START_SECONDS:
        time.sleep(1)
        waited_seconds += 1
    if not is_alive:
        detail = f"no heartbeat for {SCHEDULER_HEARTBEAT_SECONDS} s"
        return ComponentStatus("scheduler", is_up=False, detail=detail)
    if late := recurring.late_tasks(feed):
        overdue = ", ".join(f"{each.task} for {age // timedelta(seconds=1)} s" for each, age in late.items())
        return ComponentStatus("scheduler", is_up=False, detail=f"runs, but without success: {overdue}")
    return ComponentStatus("scheduler", is_up=True, detail="sends the recurring tasks, and they succeed")


def _check_workers(engines: Engines, feed: redis.Redis, timeout_seconds: int) -> list[ComponentStatus]:
    make_app(fail_fast(celery_settings(engines)))
    valid_seconds = max(PING_VALID_SECONDS_MIN, timeout_seconds)
    queues = {"importer": IMPORTS, "retrier": RETRIES, "backoffice": FINDINGS}
    with closing(connect_redis(engines.broker_url)) as broker:
        reply_lists = {name: _send_ping(feed, broker, queue, valid_seconds) for name, queue in queues.items()}
    close_app()
    replies = _collect_replies(feed, {reply_to for reply_to in reply_lists.values() if reply_to}, timeout_seconds)
    return [_worker_status(name, queue, reply_lists[name], replies, timeout_seconds) for name, queue in queues.items()]


def _send_ping(feed: redis.Redis, broker: redis.Redis, queue: str, valid_seconds: int) -> str | None:
    """Send a ping and return the list on which its reply arrives, or None if the broker does not accept it.

    Nothing is sent to a long queue, because no worker consumes it and pings would pile up.
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
    """Wait for one reply on each Redis list. Return the worker that replied, by list.

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
        return ComponentStatus(name, is_up=False, detail="the broker does not accept messages")
    if reply_to not in replies:
        return ComponentStatus(name, is_up=False, detail=f"no reply from queue {queue} within {timeout_seconds} s")
    return ComponentStatus(name, is_up=True, detail=f"{replies[reply_to]} takes messages from {queue}")


def _check_url(name: str, url: str, path: str) -> ComponentStatus:
    try:
        with urllib.request.urlopen(f"{url}/{path}", timeout=5):  # noqa: S310 (an address that `payments up` wrote)
            return ComponentStatus(name, is_up=True, detail=url)
    except OSError as error:
        return ComponentStatus(name, is_up=False, detail=f"{url}: {error}")
