"""The importer service: a Celery worker that imports payments."""

import os
import sys

from config.celery import IMPORTS
from config.settings import read_settings
from tasks.signing import read_keyring
from workers.runtime.celery_worker import run_worker
from workers.runtime.config_errors import exit_on_config_error

if __name__ == "__main__":
    with exit_on_config_error("importer"):
        settings = read_settings(os.environ)
        processes, keyring = settings.importer_processes, read_keyring(settings)
        sys.exit(run_worker("importer", [IMPORTS], settings, processes=processes, keyring=keyring))
