"""The back-office service: a Celery worker for Billing Exceptions, adjustments and the nightly tasks."""

import os
import sys

from config.celery import ADJUSTMENTS, FINDINGS, NIGHTLY
from config.settings import read_settings
from workers.runtime.celery_worker import run_worker
from workers.runtime.config_errors import exit_on_config_error

if __name__ == "__main__":
    # Two processes, so that an adjustment does not wait for a long nightly task.
    with exit_on_config_error("backoffice"):
        sys.exit(run_worker("backoffice", [FINDINGS, ADJUSTMENTS, NIGHTLY], read_settings(os.environ), processes=2))
