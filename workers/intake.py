"""The intake service. It dispatches the feed to the importers. One process is enough; several are harmless."""

import os
import signal
import sys
from contextlib import closing

import structlog

from config.engines import current_engines
from config.logging import configure_logging
from config.settings import read_settings
from tasks.engine_check import require_engines
from tasks.feed.dispatcher import Dispatcher
from tasks.replicas import signs_of_life
from tasks.signing import read_keyring
from workers.runtime.config_errors import exit_on_config_error
from workers.runtime.heartbeat_writer import open_heartbeat

log = structlog.get_logger()


def main() -> int:
    """Run the dispatcher until SIGTERM or SIGINT.

    Raises SettingsError if a setting is invalid, and NotRunningError if an engine's URL is missing.
    """
    settings = read_settings(os.environ)
    configure_logging(settings, "intake")
    engines = current_engines(settings)
    require_engines(settings, engines)
    keyring = read_keyring(settings)
    with (
        open_heartbeat(settings.home, "intake") as heartbeat,
        signs_of_life(engines.redis_url, "intake", heartbeat.is_progressing),
        closing(Dispatcher(settings, engines, keyring, on_progress=heartbeat.beat)) as dispatcher,
    ):
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: dispatcher.stopping.set())
        log.info("intake_started", stream=settings.stream, streams=settings.streams)
        dispatcher.run()
    log.info("intake_stopped")
    return 0


if __name__ == "__main__":
    with exit_on_config_error("intake"):
        sys.exit(main())
