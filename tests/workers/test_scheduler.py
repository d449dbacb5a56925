"""Every recurring task runs. Beat and a worker are real processes with different clocks."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import redis

from config.celery import ADJUSTMENTS, FINDINGS, NIGHTLY
from config.engines import Engines
from config.schedule import RECURRING
from tasks import recurring
from tasks.health_check import _check_scheduler
from tasks.resources import connect_redis
from tests.engines import scratch_database
from tests.faults.processes import wait_for

pytestmark = pytest.mark.acceptance

SECONDS_MAX = 30
HOUR_SECONDS = 3_600
# Of the importer's queue, which no worker of this test takes.
UNTESTED_TASK = "payments.retry_due"
TESTED_TASKS = {each.task for each in RECURRING} - {UNTESTED_TASK}


@pytest.fixture(scope="module")
def engines(postgres_url: str, ledger_template: str, redis_url: str) -> Iterator[Engines]:
    with scratch_database(postgres_url, ledger_template) as url:
        engines = Engines.from_urls(url, redis_url)
        with connect_redis(engines.redis_url) as feed, connect_redis(engines.broker_url) as broker:
            yield engines
            feed.flushdb()
            broker.flushdb()


@contextmanager
def running_process(engines: Engines, home: Path, name: str, *command: str) -> Iterator[None]:
    """Run a Python process on these engines."""
    env = os.environ | engines.environment() | {"PAYMENTS_HOME": str(home)}
    with (home / name).open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", *command], env=env, stdout=out, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.terminate()
            process.wait(SECONDS_MAX)


@pytest.fixture(scope="module")
def worker(engines: Engines, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A running back-office worker with the correct clock."""
    with running_process(engines, tmp_path_factory.mktemp("worker"), "worker", "workers.backoffice"):
        yield


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize("ahead_seconds", [-HOUR_SECONDS, -60, -6, 0, 6, 60, HOUR_SECONDS])
def test_every_task_succeeds_with_any_clock_of_the_scheduler(
    engines: Engines, tmp_path: Path, ahead_seconds: int
) -> None:
    clock = tmp_path / "clock"
    clock.write_text(str(ahead_seconds))
    with connect_redis(engines.redis_url) as feed, connect_redis(engines.broker_url) as broker:
        feed.flushdb()
        with running_process(engines, tmp_path, "beat", "tests.faults.skewed_clock", str(clock), "workers.scheduler"):
            wait_for(lambda: succeeded_tasks(feed) >= TESTED_TASKS, SECONDS_MAX, "every task has succeeded")
            assert _check_scheduler(feed).is_up
        waiting = {queue: broker.llen(f"payments:{queue}") for queue in (FINDINGS, ADJUSTMENTS, NIGHTLY)}
        assert {queue: count for queue, count in waiting.items() if count > 1} == {}


def succeeded_tasks(feed: redis.Redis) -> set[str]:
    """Return the names of tasks that succeeded since the feed was emptied."""
    return {each.task for each in RECURRING if feed.get(recurring.success_key(each.task)) == recurring.SUCCEEDED}
