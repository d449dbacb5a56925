"""Nudges to the workers. A hint may be lost: the sweeps find by themselves whatever it was about."""

import structlog
from kombu.exceptions import OperationalError

from config.celery import celery_settings, impatient
from config.engines import Engines
from config.settings import Settings
from tasks.app import make_app

log = structlog.get_logger()


def retry_due(settings: Settings, engines: Engines) -> bool:
    """Ask the importer to take up what is due now; return whether the hint went out."""
    from tasks import importing  # noqa: PLC0415 (the task registers itself when it is loaded)

    make_app(impatient(celery_settings(engines, settings)))
    try:
        importing.retry_due.apply_async(ignore_result=True)
    except OperationalError:
        log.info("hint not sent")
        return False
    return True
