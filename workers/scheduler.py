"""The scheduler service: Celery beat, which sends the recurring tasks. One process is enough; two are harmless."""

import os
import sys
from functools import partial

from celery.signals import setup_logging

from config.celery import celery_settings
from config.engines import current_engines
from config.logging import configure_logging
from config.settings import read_settings
from tasks.app import make_app
from tasks.engine_check import require_engines
from tasks.replicas import signs_of_life
from tasks.resources import connect_redis
from workers.runtime.beat_scheduler import StatelessScheduler
from workers.runtime.config_errors import exit_on_config_error
from workers.runtime.heartbeat_writer import open_heartbeat


def main() -> int:
    """Run Celery beat in the foreground until a signal stops it.

    Raises SettingsError if a setting is invalid, and NotRunningError if an engine's URL is missing.
    """
    settings = read_settings(os.environ)
    configure_logging(settings, "scheduler")
    # A handler of this signal keeps Celery from configuring the log itself.
    setup_logging.connect(lambda **_: None, weak=False)
    engines = current_engines(settings)
    require_engines(settings, engines, database=False)
    app = make_app(celery_settings(engines))
    feed, broker = connect_redis(engines.redis_url), connect_redis(engines.broker_url)
    with (
        open_heartbeat(settings.home, "scheduler") as heartbeat,
        signs_of_life(engines.redis_url, "scheduler", heartbeat.is_progressing),
    ):
        app.conf.beat_scheduler = partial(StatelessScheduler, feed=feed, broker=broker, on_progress=heartbeat.beat)
        app.start(["beat", "--loglevel", settings.log_level])
    return 0


if __name__ == "__main__":
    with exit_on_config_error("scheduler"):
        sys.exit(main())
