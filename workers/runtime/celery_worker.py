"""Start a Celery worker: its queues, its pool, its log, its watchdog and its heartbeat."""

from collections.abc import Sequence
from datetime import UTC, datetime

import redis
import structlog
from celery import Task
from celery.signals import setup_logging, task_failure, task_success, worker_process_shutdown

from config.celery import celery_settings
from config.engines import current_engines
from config.logging import configure_logging
from config.settings import Settings
from payments.contract.signature import NO_KEYS, Keyring
from tasks import failed_tasks, recurring, resources
from tasks.app import make_app
from tasks.engine_check import require_engines
from tasks.failed_tasks import FailedTask
from tasks.replicas import signs_of_life
from tasks.resources import WorkerName
from workers.runtime.heartbeat_writer import open_heartbeat
from workers.runtime.watchdog import start_watchdog
from workers.runtime.worker_heartbeat import start_worker_heartbeat

log = structlog.get_logger(__name__)


def run_worker(
    name: WorkerName, queues: Sequence[str], settings: Settings, *, processes: int, keyring: Keyring = NO_KEYS
) -> int:
    """Run a worker in the foreground until a signal stops it.

    `processes` is the size of its pool. Raises SettingsError if a setting is invalid, and NotRunningError if an
    engine's URL is missing.
    """
    configure_logging(settings, name)
    # A handler of this signal keeps Celery from configuring the log itself.
    setup_logging.connect(lambda **_: None, weak=False)
    worker_process_shutdown.connect(lambda **_: resources.close_tracing(), weak=False)
    task_success.connect(_record_success, weak=False)
    task_failure.connect(_record_failure, weak=False)
    engines = current_engines(settings)
    require_engines(settings, engines)
    resources.configure(settings, engines, name, keyring)
    app = make_app(celery_settings(engines))
    start_watchdog(engines.broker_url, queues)
    with (
        open_heartbeat(settings.home, name) as heartbeat,
        signs_of_life(engines.redis_url, name, heartbeat.is_progressing),
    ):
        start_worker_heartbeat(app, heartbeat, engines.broker_url)
        app.worker_main(
            [
                *("worker", "--hostname", f"{name}@%h", "--queues", ",".join(queues)),
                *("--pool", "prefork", "--concurrency", str(processes)),
                *("--without-mingle", "--without-gossip", "--loglevel", settings.log_level),
            ]
        )
    return 0


def _record_success(sender: Task, **_signal: object) -> None:
    """Record that a recurring task succeeded. Handler of Celery's signal `task_success`."""
    try:
        recurring.record_success(resources.get_resources().feed, sender.name)
    except redis.RedisError as error:
        log.info("success_not_recorded", succeeded_task=sender.name, error_class=type(error).__name__)


def _record_failure(sender: Task, task_id: str, exception: BaseException, **_signal: object) -> None:
    """Record that a task failed. Handler of Celery's signal `task_failure`.

    If a process of the pool died, Celery sends this signal in the parent process.
    """
    try:
        opened = resources.get_resources()
        error = str(exception) or type(exception).__name__
        failed_tasks.record(opened.feed, FailedTask(sender.name, task_id, datetime.now(UTC), error, opened.worker))
    except redis.RedisError as problem:
        log.info("failure_not_recorded", failed_task=sender.name, error_class=type(problem).__name__)
