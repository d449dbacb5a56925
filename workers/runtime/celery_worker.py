"""How a Celery worker of ours is started: its queues, its processes, its log."""

from collections.abc import Sequence

from celery.signals import setup_logging, worker_process_shutdown

from config.celery import celery_settings
from config.engines import engines_in_force
from config.logging import configure_logging
from config.settings import Settings
from payments.contract.signature import NO_KEYS, Keyring
from tasks.app import make_app
from tasks.resources import Worker, let_go, prepare
from workers.runtime.watchdog import watch_hearing


def run_worker(
    name: Worker, queues: Sequence[str], settings: Settings, *, processes: int, keyring: Keyring = NO_KEYS
) -> int:
    """Run a worker in the foreground until it is told to stop. Raises NotRunningError."""
    configure_logging(settings, name)
    # Celery would set up logging of its own unless someone takes that on.
    setup_logging.connect(lambda **_: None, weak=False)
    worker_process_shutdown.connect(lambda **_: let_go(), weak=False)
    engines = engines_in_force(settings)
    prepare(settings, engines, name, keyring)
    app = make_app(celery_settings(engines, settings))
    watch_hearing(engines.broker_url, queues)
    app.worker_main(
        [
            *("worker", "--hostname", f"{name}@%h", "--queues", ",".join(queues)),
            *("--pool", "prefork", "--concurrency", str(processes)),
            *("--without-mingle", "--without-gossip", "--loglevel", settings.log_level),
        ]
    )
    return 0
