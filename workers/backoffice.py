"""The Celery worker that finds billing exceptions, applies adjustments and does the nightly work."""

import os
import sys

from config.celery import ADJUSTMENTS, FINDINGS, NIGHTLY
from config.settings import read_settings
from workers.runtime.celery_worker import run_worker
from workers.runtime.config_errors import in_one_line

if __name__ == "__main__":
    # Two processes, so that a long nightly task keeps nobody waiting who accepts an adjustment.
    with in_one_line("backoffice"):
        sys.exit(run_worker("backoffice", [FINDINGS, ADJUSTMENTS, NIGHTLY], read_settings(os.environ), processes=2))
