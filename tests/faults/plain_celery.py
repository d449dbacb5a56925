"""The usual alternative: one plain Celery task per payment, with every setting that the Celery manual recommends.

The settings are late acknowledgement, rejection on a lost worker, and a short visibility timeout. A task whose row
PostgreSQL does not accept is retried after growing delays. The publisher imports this module. The worker is
`python -m tests.faults.plain_celery`, with the variables DATABASE_URL and STOCK_BROKER_URL.
"""

import os
import subprocess
import sys
from collections.abc import Mapping

import psycopg
from celery import Celery

from config.redis_clients import kombu_sentinel_options
from config.redis_urls import to_kombu_url

QUEUE = "stock"
RETRY_SECONDS_MAX = 5
CREATE_TABLE = """
CREATE TABLE stock_counts (number int, at timestamptz NOT NULL DEFAULT clock_timestamp())
"""


def make_app(broker_url: str) -> Celery:
    """Return the Celery application with its single task."""
    app = Celery("stock", broker=to_kombu_url(broker_url), set_as_current=False)
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
            **kombu_sentinel_options(broker_url),
        },
    )
    app.task(
        insert_one,
        name="stock.count_one",
        shared=False,
        autoretry_for=(psycopg.Error,),
        retry_backoff=True,
        retry_backoff_max=RETRY_SECONDS_MAX,
        max_retries=None,
    )
    return app


def insert_one(number: int) -> None:
    """Insert a row with this number in one transaction. After an error the next task opens a new connection."""
    if "connection" not in _open_connections:
        _open_connections["connection"] = psycopg.connect(
            os.environ["DATABASE_URL"], autocommit=True, connect_timeout=3
        )
    try:
        _open_connections["connection"].execute("INSERT INTO stock_counts VALUES (%s)", [number])
    except psycopg.Error:
        _open_connections.pop("connection").close()
        raise


_open_connections: dict[str, psycopg.Connection] = {}


def start_worker(environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a worker in its own process group, with DATABASE_URL and STOCK_BROKER_URL from `environment`."""
    command = [sys.executable, "-m", "tests.faults.plain_celery"]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


if __name__ == "__main__":
    make_app(os.environ["STOCK_BROKER_URL"]).worker_main(
        ["worker", "--concurrency", "2", "--loglevel", "error", "--without-mingle", "--without-gossip"]
    )
