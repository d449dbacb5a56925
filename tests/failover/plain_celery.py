"""Plain Celery tasks on the same servers and under the same faults, for a comparison."""

import os
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Self

import psycopg
from kombu.exceptions import OperationalError

from tests.failover.pauses import longest_pauses
from tests.faults.plain_celery import CREATE_TABLE, make_app, start_worker

TASKS_PER_SECOND = 50
"""The number of tasks published per second. It is low because such a task costs more than importing a payment."""
BROKER_DATABASE = 9
CONNECT_SECONDS, DRAIN_SECONDS, RESTART_SECONDS = 3, 90, 1


@dataclass(frozen=True)
class PlainCeleryResult:
    """The result of the plain Celery tasks during a schedule. `published` counts the tasks sent without an error."""

    published: int
    lost: int
    doubled: int
    pauses: Sequence[float]
    """For each fault, the longest time in seconds without an inserted row before the next fault began."""

    def to_json(self) -> dict[str, Any]:
        """Return the fields for the JSON result of the schedule."""
        return asdict(self)


class PlainCelery:
    """A worker that is restarted if it ends, and a thread that publishes TASKS_PER_SECOND tasks per second."""

    def __init__(self, database_url: str, broker_url: str) -> None:
        self._url = database_url
        self._environment = os.environ | {"DATABASE_URL": database_url, "STOCK_BROKER_URL": broker_url}
        self._app = make_app(broker_url)
        self._published = 0
        self._enough, self._is_over = threading.Event(), threading.Event()
        self._publisher = threading.Thread(target=self._publish, name="publisher", daemon=True)
        self._supervisor = threading.Thread(target=self._keep_worker, name="supervisor", daemon=True)

    def __enter__(self) -> Self:
        with psycopg.connect(self._url) as connection:
            connection.execute("DROP TABLE IF EXISTS stock_counts")
            connection.execute(CREATE_TABLE)
        self._publisher.start()
        self._supervisor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._enough.set()
        self._is_over.set()
        self._supervisor.join()
        self._publisher.join(DRAIN_SECONDS)
        self._app.close()

    def finish(self, began: Sequence[datetime], ended: datetime) -> PlainCeleryResult:
        """Stop publishing, wait for the remaining rows, and return the result.

        The wait ends when all rows are stored, or when no row was stored for DRAIN_SECONDS. `began` are the times at
        which the faults began, and `ended` is the end of the last fault.
        """
        self._enough.set()
        self._publisher.join(DRAIN_SECONDS)
        self._wait_for_rows()
        with psycopg.connect(self._url) as connection:
            found = connection.execute("SELECT number, at FROM stock_counts ORDER BY at").fetchall()
        distinct = len({number for number, _ in found})
        pauses = longest_pauses([at for _, at in found], began, ended)
        return PlainCeleryResult(self._published, self._published - distinct, len(found) - distinct, pauses)

    def _wait_for_rows(self) -> None:
        rows, changed_at = -1, time.monotonic()
        while time.monotonic() - changed_at < DRAIN_SECONDS:
            with suppress(psycopg.Error), psycopg.connect(self._url, connect_timeout=CONNECT_SECONDS) as connection:
                counted = connection.execute("SELECT count(*), count(DISTINCT number) FROM stock_counts").fetchone()
                assert counted is not None
                if counted[1] >= self._published:
                    return
                if counted[0] != rows:
                    rows, changed_at = counted[0], time.monotonic()
            time.sleep(1)

    def _publish(self) -> None:
        task, next_at = self._app.tasks["stock.count_one"], time.monotonic()
        while not self._enough.is_set():
            try:
                task.apply_async(args=(self._published,))
            except (OperationalError, OSError):
                self._enough.wait(0.1)
                continue  # the publisher repeats what the broker did not confirm
            self._published += 1
            next_at = max(next_at + 1 / TASKS_PER_SECOND, time.monotonic() - 1)
            self._enough.wait(max(0.0, next_at - time.monotonic()))

    def _keep_worker(self) -> None:
        while not self._is_over.is_set():
            worker = start_worker(self._environment)
            while worker.poll() is None and not self._is_over.wait(RESTART_SECONDS):
                pass
            with suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()
