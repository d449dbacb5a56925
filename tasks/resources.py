"""The resources of a worker process: PostgreSQL, Redis, settings, tracing. `get_resources` opens them once."""

import gc
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

import redis
from celery import current_task

from config.engines import Engines
from config.redis_clients import make_redis_client
from config.settings import Settings
from payments.contract.signature import NO_KEYS, Keyring
from payments.core.backoff import BackoffSchedule
from payments.core.import_stats import RunContext
from payments.store.db.connection import IDLE_IN_TRANSACTION_SECONDS_MAX, Database, connect
from tasks.feed.entries import keep_field_lists
from tasks.feed.failing_companies import FailingCompanies
from tasks.feed.leases import LeaseRenewal
from tasks.feed.retry_rotation import RetryRotation
from tasks.feed.streams import Streams
from tasks.tracing import Tracing
from tasks.tracing_setup import open_tracing

SOCKET_TIMEOUT_SECONDS = 15
WorkerName = Literal["importer", "retrier", "backoffice"]
"""The services that run tasks."""


@dataclass(frozen=True)
class Resources:
    """Connections and settings of one worker process."""

    settings: Settings
    database: Database
    feed: redis.Redis
    broker: redis.Redis
    worker: str
    keyring: Keyring = NO_KEYS
    tracing: Tracing = field(default_factory=Tracing)
    leases: LeaseRenewal = field(default_factory=LeaseRenewal)
    retry_rotation: RetryRotation = field(default_factory=RetryRotation)
    failing_companies: FailingCompanies = field(default_factory=FailingCompanies)

    @property
    def streams(self) -> Streams:
        """The streams of the feed."""
        return Streams.from_settings(self.feed, self.settings)

    def run_context(self) -> RunContext:
        """Return the context of an import run that starts now."""
        return RunContext(
            now=datetime.now(UTC),
            worker=self.worker,
            backoff_schedule=self.settings.retry_ladder,
            elapsed_ms=_stopwatch(),
            patient_schedule=_patient_backoff_schedule(self.settings),
            keyring=self.keyring,
            default_timezone=self.settings.default_timezone,
            creates_unknown=self.settings.unknown_companies == "create",
            task_id=current_task_id(),
        )


def current_task_id() -> str:
    """Return the id of the Celery task that this thread runs, or an empty text outside a task."""
    return str(current_task.request.id or "") if current_task else ""


def _patient_backoff_schedule(settings: Settings) -> BackoffSchedule:
    """Return the retry delays for a payment whose patient is unknown. The delays add up to `patient_wait_max`."""
    rechecks, rest = divmod(settings.patient_wait_max, settings.patient_recheck)
    return (settings.patient_recheck,) * rechecks + ((rest,) if rest else ())


class NotConfiguredError(RuntimeError):
    """A task ran in a process that has not called `configure`."""


_configuration: tuple[Settings, Engines, WorkerName, Keyring] | None = None
_opened: dict[int, Resources] = {}


def configure(settings: Settings, engines: Engines, worker: WorkerName, keyring: Keyring = NO_KEYS) -> None:
    """Store the settings that `get_resources` uses in this process and its children. Opens no connection."""
    global _configuration  # noqa: PLW0603 (Celery has no other way to hand a task what its process was started with)
    _configuration = (settings, engines, worker, keyring)


def get_resources() -> Resources:
    """Return the resources of this process. The first call opens them. A forked child opens its own resources.

    Raises NotConfiguredError if `configure` was not called.
    """
    if _configuration is None:
        raise NotConfiguredError
    pid = os.getpid()
    if pid not in _opened:
        _relax_garbage_collection()
        settings, engines, worker, keyring = _configuration
        _opened[pid] = Resources(
            settings=settings,
            database=connect(
                engines.database_url,
                application_name=application_name(worker),
                idle_in_transaction_seconds=IDLE_IN_TRANSACTION_SECONDS_MAX,
                allow_seqscan=worker == "backoffice",
            ),
            feed=connect_redis(engines.redis_url),
            broker=connect_redis(engines.broker_url),
            worker=f"{worker}-{pid}",
            keyring=keyring,
            tracing=open_tracing(settings, worker),
        )
    return _opened[pid]


def application_name(worker: WorkerName) -> str:
    """Return PostgreSQL's `application_name` for a worker's sessions."""
    return f"payments {worker}"


def close_tracing() -> None:
    """Export the remaining spans of this process. Call this function before the process ends."""
    if resources := _opened.get(os.getpid()):
        resources.tracing.close()


def connect_redis(url: str) -> redis.Redis:
    """Return a Redis client with RESP2, a socket timeout of 15 s and no retries."""
    client = make_redis_client(
        url, socket_timeout=SOCKET_TIMEOUT_SECONDS, socket_connect_timeout=5, health_check_interval=30
    )
    keep_field_lists(client)
    return client


def _relax_garbage_collection() -> None:
    """Exempt the loaded modules from garbage collection, and raise its thresholds so that it runs less often.

    A chunk creates about ten thousand objects that live until the chunk ends. With Python's default thresholds, the
    collector would examine these objects repeatedly (`python -m bench.steps --collector python` shows the difference).
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _stopwatch() -> Callable[[], int]:
    """Return a function that returns the milliseconds that have passed since `_stopwatch` was called."""
    started_ns = time.monotonic_ns()
    return lambda: (time.monotonic_ns() - started_ns) // 1_000_000
