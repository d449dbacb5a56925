"""Nudges to the workers. A hint may be lost: the sweeps find by themselves whatever it was about.

One hint to a task waits at a time, or they would pile up before a worker that is slower than the imports are, and it
would look again and again at what it has seen. Whoever gives a hint has committed what it is about, and the task looks
after it has begun; so the hint that waits already will do.
"""

import redis
import structlog
from celery import Task
from kombu.exceptions import OperationalError

from config.celery import KEY_PREFIX, celery_settings, impatient
from config.engines import Engines
from config.settings import Settings
from tasks.app import make_app

log = structlog.get_logger()

WAITING_SECONDS_MAX = 5
"""How long a hint is taken to wait. It may have been lost; beat sends these tasks as often by itself."""


def give(broker: redis.Redis, task: "Task[..., str]") -> None:
    """Ask for a task, unless a hint to it waits already."""
    try:
        if broker.set(_mark(task), "waits", nx=True, ex=WAITING_SECONDS_MAX):
            task.delay()
    except (redis.RedisError, OperationalError) as error:
        log.info("hint not sent", error_class=type(error).__name__)


def take(broker: redis.Redis, task: "Task[..., str]") -> None:
    """Let the next hint to a task through; called by the task, before it looks."""
    try:
        broker.delete(_mark(task))
    except redis.RedisError as error:  # then it goes by itself
        log.info("hint not taken", error_class=type(error).__name__)


def _mark(task: "Task[..., str]") -> str:
    return f"{KEY_PREFIX}hint:{task.name}"


def retry_due(settings: Settings, engines: Engines) -> bool:
    """Ask the importer to take up what is due now; return whether the hint went out."""
    from tasks import importing  # noqa: PLC0415 (the task registers itself when it is loaded)

    make_app(impatient(celery_settings(engines, settings)))
    try:
        importing.retry_due.apply_async(ignore_result=True)
    except OperationalError:
        log.info("hint not sent")
        return False
    return True
