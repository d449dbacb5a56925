"""The Celery worker that imports payments."""

import os
import sys

from config.celery import IMPORTS
from config.settings import read_settings
from workers.worker import run_worker

if __name__ == "__main__":
    settings = read_settings(os.environ)
    sys.exit(run_worker("importer", [IMPORTS], settings, processes=settings.importer_processes))
