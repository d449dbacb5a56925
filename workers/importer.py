"""The Celery worker that imports payments."""

import os
import sys

from config.celery import IMPORTS
from config.settings import read_settings
from tasks.signing import read_keyring
from workers.runtime.celery_worker import run_worker
from workers.runtime.config_errors import in_one_line

if __name__ == "__main__":
    with in_one_line("importer"):
        settings = read_settings(os.environ)
        processes, keyring = settings.importer_processes, read_keyring(settings)
        sys.exit(run_worker("importer", [IMPORTS], settings, processes=processes, keyring=keyring))
