"""The retrier service: a Celery worker that retries payments. It runs beside the importer of new payments."""

import os
import sys

from config.celery import RETRIES
from config.settings import read_settings
from tasks.signing import read_keyring
from workers.runtime.celery_worker import run_worker
from workers.runtime.config_errors import exit_on_config_error

if __name__ == "__main__":
    with exit_on_config_error("retrier"):
        settings = read_settings(os.environ)
        sys.exit(run_worker("retrier", [RETRIES], settings, processes=1, keyring=read_keyring(settings)))
