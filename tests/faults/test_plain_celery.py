"""Kill a plain Celery worker as often as the importer. The fault report compares both."""

import os
import random
import signal
import threading
import time

import psycopg
import pytest

from config.database_urls import libpq_url
from config.redis_urls import with_redis_database
from tasks.resources import connect_redis
from tests.faults.plain_celery import CREATE_TABLE, make_app, start_worker
from tests.faults.processes import wait_for
from tests.faults.trial import RESULTS_FOLDER, Trial, TrialResult

BROKER_DATABASE, TASKS_A_KILL, WAITING_MAX = 5, 250, 2_000


@pytest.mark.long
def test_plain_celery_loses_tasks_when_its_worker_is_killed(trial: Trial) -> None:
    kills = int(os.environ.get("FAULTS_STOCK_KILLS", "100"))
    database_url = libpq_url(trial.stack.engines.database_url)
    broker_url = with_redis_database(trial.stack.engines.redis_url, BROKER_DATABASE)
    environment = trial.stack.environment | {"DATABASE_URL": database_url, "STOCK_BROKER_URL": broker_url}
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(CREATE_TABLE)
        published = _Publisher(broker_url, kills * TASKS_A_KILL)
        published.start()
        _kill_repeatedly(kills, environment, connection)
        worker = start_worker(environment)
        try:
            published.join(300)
            assert published.sent == published.count, f"{published.sent:,} were published"
            wait_for(lambda: published.waiting_count() == 0, 300, "all tasks are done")
        finally:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
        done, distinct = connection.execute("SELECT count(*), count(DISTINCT number) FROM stock_counts").fetchone()
        connection.execute("DROP TABLE stock_counts")
    result = TrialResult(
        "For comparison: the same kills on plain Celery tasks (late acks, reject on worker lost)",
        kills,
        events=published.count,
        lost=published.count - distinct,
        doubled=done - distinct,
        note="comparison system: one Celery task per payment",
    )
    if trial.keeps_results:
        result.write(RESULTS_FOLDER)
    print(result)  # noqa: T201 (pytest shows it with -s)
    # The page states that plain Celery loses tasks. If it no longer does, the page must change.
    assert result.lost > 0


class _Publisher(threading.Thread):
    """A thread that publishes tasks and keeps the queue full until all tasks are sent."""

    def __init__(self, broker_url: str, count: int) -> None:
        super().__init__(daemon=True)
        self.app, self.count, self.sent = make_app(broker_url), count, 0
        self.broker = connect_redis(broker_url)

    def run(self) -> None:
        task = self.app.tasks["stock.count_one"]
        while self.sent < self.count:
            while self.sent % 100 == 0 and self.waiting_count() > WAITING_MAX:
                time.sleep(0.05)
            task.apply_async(args=(self.sent,))
            self.sent += 1

    def waiting_count(self) -> int:
        return int(self.broker.llen("stock:stock")) + int(self.broker.hlen("stock:unacked"))


def _kill_repeatedly(kills: int, environment: dict[str, str], connection: psycopg.Connection) -> None:
    chance = random.Random(7)
    for _ in range(kills):
        worker = start_worker(environment)
        before = _count_rows(connection)
        try:
            wait_for(lambda before=before: _count_rows(connection) > before, 60, "the worker is at work")
            time.sleep(chance.uniform(0.0, 0.6))
        finally:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()


def _count_rows(connection: psycopg.Connection) -> int:
    return connection.execute("SELECT count(*) FROM stock_counts").fetchone()[0]
