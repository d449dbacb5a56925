"""Celery's beat: sends what recurs. One is enough, and two do no harm."""

import os
import sys

from celery.signals import setup_logging

from config.celery import celery_settings
from config.engines import engines_in_force
from config.logging import configure_logging
from config.settings import read_settings
from tasks.app import make_app
from workers.runtime.config_errors import in_one_line


def main() -> int:
    """Run beat in the foreground until it is told to stop."""
    settings = read_settings(os.environ)
    configure_logging(settings, "scheduler")
    setup_logging.connect(lambda **_: None, weak=False)
    # Beat writes here when it sent what; outside of `payments up` nobody has made the folder.
    (settings.home / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
    make_app(celery_settings(engines_in_force(settings), settings)).start(["beat", "--loglevel", settings.log_level])
    return 0


if __name__ == "__main__":
    with in_one_line("scheduler"):
        sys.exit(main())
