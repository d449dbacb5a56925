"""What a process's tasks work with: PostgreSQL, Redis and the settings. Opened at the first use in each process."""

import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.engines import Engines
from config.settings import Settings
from payments.contract.signature import NO_KEYS, Keyring
from payments.core.import_stats import RunContext
from payments.store.db.connection import SILENT_SECONDS_MAX, Database, connect
from tasks.feed.streams import Streams
from tasks.tracing import Traces, traces_of

SOCKET_TIMEOUT_SECONDS = 15
Worker = Literal["importer", "backoffice"]
"""What runs tasks."""


@dataclass(frozen=True)
class Resources:
    """The connections and settings of one process."""

    settings: Settings
    database: Database
    feed: redis.Redis
    broker: redis.Redis
    worker: str
    keyring: Keyring = NO_KEYS
    traces: Traces = field(default_factory=Traces)

    @property
    def streams(self) -> Streams:
        """The feed, divided or not."""
        return Streams(self.feed, self.settings.stream, self.settings.streams)

    def run(self) -> RunContext:
        """Return the particulars of a run that starts now."""
        settings = self.settings
        rechecks, rest = divmod(settings.patient_wait_max, settings.patient_recheck)
        patient_schedule = (settings.patient_recheck,) * rechecks + ((rest,) if rest else ())
        now = datetime.now(UTC)
        return RunContext(now, self.worker, settings.retry_ladder, _stopwatch(), patient_schedule, self.keyring)


class NotPreparedError(RuntimeError):
    """A task ran in a process whose entry did not call `prepare`."""


_prepared: tuple[Settings, Engines, Worker, Keyring] | None = None
_opened: dict[int, Resources] = {}


def prepare(settings: Settings, engines: Engines, worker: Worker, keyring: Keyring = NO_KEYS) -> None:
    """Say, at a process's entry, what its tasks are to work with. Opens nothing."""
    global _prepared  # noqa: PLW0603 (Celery gives a task no other way to what its process was started with)
    _prepared = (settings, engines, worker, keyring)


def resources() -> Resources:
    """Return this process's connections. A forked child gets its own, and leaves its parent's alone."""
    if _prepared is None:
        raise NotPreparedError
    pid = os.getpid()
    if pid not in _opened:
        _collect_garbage_seldom()
        settings, engines, worker, keyring = _prepared
        _opened[pid] = Resources(
            settings,
            connect(
                engines.database_url,
                application_name=application_name(worker),
                silent_seconds_max=SILENT_SECONDS_MAX,
                reads_whole_tables=worker != "importer",
            ),
            connect_redis(engines.redis_url),
            connect_redis(engines.broker_url),
            f"{worker}-{pid}",
            keyring,
            traces_of(settings, worker),
        )
    return _opened[pid]


def application_name(worker: Worker) -> str:
    """Return the name by which PostgreSQL knows the connections of a worker."""
    return f"payments {worker}"


def let_go() -> None:
    """Send what this process has not yet told of its work; called at its end."""
    if here := _opened.get(os.getpid()):
        here.traces.close()


def connect_redis(url: str) -> redis.Redis:
    """Return a client that answers in the older protocol's shapes, waits at most 15 s, and repeats no command."""
    return redis.Redis.from_url(
        url,
        protocol=2,
        socket_timeout=SOCKET_TIMEOUT_SECONDS,
        socket_connect_timeout=5,
        health_check_interval=30,
        retry=Retry(NoBackoff(), 0),
    )


def _collect_garbage_seldom() -> None:
    """Leave what was loaded alone, and look for dead cycles between chunks rather than many times in each.

    A chunk makes some ten thousand objects that all live to its end; with Python's own thresholds they are looked at
    again and again (`python -m bench.steps --collector python` shows the difference).
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _stopwatch() -> Callable[[], int]:
    started = time.monotonic_ns()
    return lambda: (time.monotonic_ns() - started) // 1_000_000
