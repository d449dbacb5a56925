"""Nudges to the workers. A hint may be lost: the sweeps find by themselves whatever it was about."""

import structlog
from kombu.exceptions import OperationalError

from config.celery import celery_settings
from config.engines import Engines
from config.settings import Settings
from tasks.app import make_app

log = structlog.get_logger()


def retry_due(settings: Settings, engines: Engines) -> bool:
    """Ask the importer to take up what is due now; return whether the hint went out."""
    from tasks import importing  # noqa: PLC0415 (the task registers itself when it is loaded)

    # A person waits for the answer: one try, and the sweep does it in a few seconds anyhow.
    make_app(celery_settings(engines, settings) | {"task_publish_retry": False})
    try:
        importing.retry_due.apply_async(ignore_result=True)
    except OperationalError:
        log.info("hint not sent")
        return False
    return True
