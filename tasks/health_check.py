"""Whether everything works: each engine answers, and each worker takes work and gives it back."""

import urllib.request
import uuid
from contextlib import closing
from typing import NamedTuple

import redis
from kombu.exceptions import OperationalError

from config.celery import FINDINGS, IMPORTS, celery_settings, impatient
from config.engines import Engines, running_stack
from config.settings import Settings
from payments.store.db.connection import connect, is_answering
from payments.store.migrations import is_current
from tasks.app import make_app
from tasks.resources import connect_redis

INTAKE_HEARTBEAT = "payments:intake:heartbeat"
HEARTBEAT_SECONDS = 10
EXPIRES_SECONDS_MIN = 60


class Part(NamedTuple):
    """A part of the system, whether it works, and what was seen."""

    name: str
    is_up: bool
    detail: str


def check(engines: Engines, settings: Settings, timeout_seconds: int) -> list[Part]:
    """Look at every part; the workers are given `timeout_seconds` in all to send their canaries back."""
    parts = [_postgres(engines)]
    with closing(connect_redis(engines.redis_url)) as feed:
        parts.append(_redis(feed))
        if parts[-1].is_up:
            parts.append(_intake(feed))
            parts += _workers(engines, settings, feed, timeout_seconds)
    stack = running_stack(settings.home)
    return [*parts, _flower(stack.flower_url), _console(stack.console_url)] if stack else parts


def _postgres(engines: Engines) -> Part:
    engine = connect(engines.database_url, application_name="payments health")
    try:
        if not is_answering(engine):
            return Part("PostgreSQL", is_up=False, detail="does not answer")
        current = is_current(engine)
    finally:
        engine.dispose()
    return Part("PostgreSQL", current, "answers" if current else "answers, but its schema is not at the newest form")


def _redis(feed: redis.Redis) -> Part:
    try:
        feed.ping()
    except redis.RedisError as error:
        return Part("Redis", is_up=False, detail=str(error))
    return Part("Redis", is_up=True, detail="answers")


def _intake(feed: redis.Redis) -> Part:
    alive = bool(feed.exists(INTAKE_HEARTBEAT))
    return Part("intake", alive, "reads the feed" if alive else f"no sign of life for {HEARTBEAT_SECONDS} s")


def _workers(engines: Engines, settings: Settings, feed: redis.Redis, timeout_seconds: int) -> list[Part]:
    make_app(impatient(celery_settings(engines, settings)))
    expires = max(EXPIRES_SECONDS_MIN, timeout_seconds)
    queues = {"importer": IMPORTS, "backoffice": FINDINGS}
    sent = {name: _send_canary(queue, expires) for name, queue in queues.items()}
    heard = _heard(feed, {reply_to for reply_to in sent.values() if reply_to}, timeout_seconds)
    return [_worker(name, queue, sent[name], heard, timeout_seconds) for name, queue in queues.items()]


def _send_canary(queue: str, expires: int) -> str | None:
    from tasks import health  # noqa: PLC0415 (the task registers itself when it is loaded)

    reply_to = f"payments:canary:{uuid.uuid4()}"
    try:
        health.sing.apply_async(kwargs={"reply_to": reply_to}, queue=queue, expires=expires)
    except OperationalError:
        return None
    return reply_to


def _heard(feed: redis.Redis, awaited: set[str], timeout_seconds: int) -> dict[str, str]:
    """Return which worker answered on which list. They wait beside each other, so two that are down take no longer."""
    heard: dict[str, str] = {}
    seconds_of_silence = 0
    while awaited and seconds_of_silence < timeout_seconds:
        # By the second, for the client takes a silence longer than its own patience for a broken connection.
        if answer := feed.blpop(sorted(awaited), timeout=1):
            reply_to, worker = (each.decode() if isinstance(each, bytes) else each for each in answer)
            heard[reply_to] = worker
            awaited = awaited - {reply_to}
        else:
            seconds_of_silence += 1
    return heard


def _worker(name: str, queue: str, reply_to: str | None, heard: dict[str, str], timeout_seconds: int) -> Part:
    if reply_to is None:
        return Part(name, is_up=False, detail="the broker does not take messages")
    if reply_to not in heard:
        return Part(name, is_up=False, detail=f"no canary back from {queue} in {timeout_seconds} s")
    return Part(name, is_up=True, detail=f"{heard[reply_to]} takes work from {queue}")


def _flower(url: str) -> Part:
    return _served("Flower", url, "healthcheck")


def _console(url: str) -> Part:
    return _served("console", url, "health")


def _served(name: str, url: str, path: str) -> Part:
    try:
        with urllib.request.urlopen(f"{url}/{path}", timeout=5):  # noqa: S310 (our own address)
            return Part(name, is_up=True, detail=url)
    except OSError as error:
        return Part(name, is_up=False, detail=f"{url}: {error}")
