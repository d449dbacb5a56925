"""The usual alternative: one plain Celery task per payment, with every setting that the Celery manual recommends.

These are late acknowledgement, rejection on a lost worker, and a short visibility timeout. Run this module with
`python -m tests.faults.plain_celery`, DATABASE_URL and CELERY_BROKER_URL as the worker; import it as the publisher.
"""

import os

import psycopg
from celery import Celery

QUEUE = "stock"


def make_app(broker_url: str) -> Celery:
    """Return the Celery application with its single task."""
    app = Celery("stock", broker=broker_url, set_as_current=False)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        task_default_queue=QUEUE,
        broker_connection_retry_on_startup=True,
        broker_transport_options={
            "visibility_timeout": 5,
            "unacked_restore_interval": 1,
            "unacked_restore_throttle": 1,
            "global_keyprefix": "stock:",
        },
    )
    app.task(insert_one, name="stock.count_one", shared=False)
    return app


def insert_one(number: int) -> None:
    """Insert one row in one transaction."""
    if "connection" not in _opened:
        _opened["connection"] = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    _opened["connection"].execute("INSERT INTO stock_counts VALUES (%s)", [number])


_opened: dict[str, psycopg.Connection] = {}

if __name__ == "__main__":
    make_app(os.environ["CELERY_BROKER_URL"]).worker_main(
        ["worker", "--concurrency", "2", "--loglevel", "error", "--without-mingle", "--without-gossip"]
    )
