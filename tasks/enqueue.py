"""Enqueue tasks by their wire name, so that the sender need not import the task.

`send` raises an error if the broker does not accept the message. `enqueue_once` does not: periodic sweeps are the
fallback. It sends nothing while a message for the task is already waiting. Call `enqueue_once` after the commit,
because the task reads only committed work.
"""

import threading
from collections.abc import Mapping

import redis
import structlog
from kombu.exceptions import OperationalError

from config.celery import KEY_PREFIX, celery_settings, fail_fast
from config.engines import Engines
from payments.core.import_stats import ImportStats
from tasks import wire_names
from tasks.app import app, close_app, make_app

log = structlog.get_logger()

_application_lock = threading.Lock()

WAITING_SECONDS_MAX = 30
"""A message that waits longer, by the clock of Redis, counts as lost."""
WAITING_MESSAGES_MAX = 100
"""If this many messages wait in a queue, its worker is probably down, and recurring tasks are not enqueued."""


def send(task_name: str, **arguments: object) -> None:
    """Send a message for a task to the queue to which Celery routes the task.

    Raises kombu's OperationalError if the broker does not accept the message.
    """
    app.send_task(task_name, kwargs=arguments, ignore_result=True)


def enqueue_once(broker: redis.Redis, task_name: str, headers: Mapping[str, object] | None = None) -> None:
    """Enqueue a task, unless a message for it is already waiting. Errors of the broker are logged and not raised."""
    try:
        if broker.set(_marker_key(task_name), "waits", nx=True, ex=WAITING_SECONDS_MAX):
            app.send_task(task_name, ignore_result=True, headers=headers)
    except (redis.RedisError, OperationalError) as error:
        log.info("enqueue_failed", enqueued_task=task_name, error_class=type(error).__name__)


def has_following(stats: ImportStats) -> bool:
    """Return whether an import left work for other tasks, which `enqueue_following` would enqueue."""
    return bool(stats.released or stats.to_examine or stats.to_distribute)


def enqueue_following(broker: redis.Redis, stats: ImportStats) -> None:
    """Enqueue the tasks for which an import left work. Errors of the broker are logged and not raised."""
    if stats.released:
        enqueue_once(broker, wire_names.RETRY_DUE)
    if stats.to_examine:
        enqueue_once(broker, wire_names.DETECT_EXCEPTIONS)
    if stats.to_distribute:
        enqueue_once(broker, wire_names.APPLY_IMMEDIATELY)


def enqueue_recurring(broker: redis.Redis, task_name: str) -> None:
    """Enqueue a recurring task, unless a message for it is already waiting. Errors are logged and not raised.

    A message that waits longer than WAITING_SECONDS_MAX counts as lost, and another one is sent. Nothing is sent to a
    queue in which WAITING_MESSAGES_MAX messages wait, so that messages do not pile up while no worker runs.
    """
    queue = app.amqp.router.route({}, task_name)["queue"].name
    try:
        waiting = broker.llen(f"{KEY_PREFIX}{queue}")
    except redis.RedisError as error:
        log.info("enqueue_failed", enqueued_task=task_name, error_class=type(error).__name__)
        return
    if waiting >= WAITING_MESSAGES_MAX:
        log.warning("recurring_task_not_sent", enqueued_task=task_name, queue=queue, waiting=waiting)
    else:
        enqueue_once(broker, task_name, headers={"celery_beat_task": True})


def clear_enqueued(broker: redis.Redis, task_name: str) -> None:
    """Allow the task to be enqueued again. Each task calls this function before it looks for work."""
    try:
        broker.delete(_marker_key(task_name))
    except redis.RedisError as error:  # the marker expires
        log.info("clear_enqueued_failed", enqueued_task=task_name, error_class=type(error).__name__)


def _marker_key(task_name: str) -> str:
    # Workers of an earlier release use the same key.
    return f"{KEY_PREFIX}hint:{task_name}"


def enqueue_retry_due(engines: Engines) -> bool:
    """Ask the retrier to retry due lines and dead letters. Return False if the broker did not accept the message."""
    return _configure_and_send(engines, wire_names.RETRY_DUE)


def enqueue_requeue_runs(engines: Engines) -> bool:
    """Ask the back office to continue the requeue runs. Return False if the broker did not accept the message."""
    return _configure_and_send(engines, wire_names.RUN_REQUEUES)


def _configure_and_send(engines: Engines, task_name: str) -> bool:
    """Send a message for a task from a process that runs no tasks. Return whether the broker accepted the message.

    The Celery application is configured to fail fast. Threads share the application, so a lock lets only one of them
    use it at a time.
    """
    with _application_lock:
        make_app(fail_fast(celery_settings(engines)))
        try:
            send(task_name)
        except OperationalError as error:
            log.info("enqueue_failed", enqueued_task=task_name, error_class=type(error).__name__)
            return False
        finally:
            close_app()
    return True
