"""Run PostgreSQL and Valkey with durable settings, and the product's services on a new ledger, for a benchmark."""

import os
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import psycopg
import redis
from sqlalchemy import text

from bench import generated_events
from config.database_urls import libpq_url, with_database
from config.engines import Engines
from config.settings import Settings, read_settings
from devstack.child_process import Child, has_ended, spawn, stop
from devstack.embedded_postgres import SHARED_BUFFERS_DEFAULT
from devstack.engines import embedded_engines, embedded_postgres
from devstack.stack import service
from payments.store.db.connection import Database, connect, transaction
from tasks.feed import stream
from tasks.resources import connect_redis
from workers.runtime.schema import upgrade_schema

ROOT = Path(__file__).resolve().parents[1]
PREPARED_DATABASE = "bench_ready"
"""The database that is copied for every round. It contains the schema, the clinics and the patients."""
PATIENCE_SECONDS = 120
POLL_SECONDS = 0.004


class WrongResultError(Exception):
    """During a measurement, events were lost or duplicated, or the measurement did not end."""


@dataclass
class Testbed:
    """Running PostgreSQL and Valkey servers, and connections to the ledger and the feed of the current round."""

    home: Path
    engines: Engines
    settings: Settings
    feed: redis.Redis
    server_url: str
    opened: list[Database] = field(default_factory=list)

    @property
    def database(self) -> Database:
        """The connection pool of the current round's ledger."""
        return self.opened[-1]

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables for the processes of the current round."""
        return {**service("intake", self.settings, self.engines).env, "PAYMENTS_LOG_LEVEL": "info"}

    def start_round(self) -> None:
        """Start a round: empty the feed and the broker, copy the prepared database, and make a checkpoint."""
        self.close()
        for url in (self.engines.redis_url, self.engines.broker_url):
            with connect_redis(url) as client:
                client.flushdb()
        name = f"bench_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(libpq_url(self.server_url), autocommit=True) as connection:
            last = self.engines.database_url
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE {PREPARED_DATABASE} STRATEGY file_copy')
            if last != self.server_url:
                connection.execute(f'DROP DATABASE "{psycopg.conninfo.conninfo_to_dict(libpq_url(last))["dbname"]}"')
            connection.execute("CHECKPOINT")
        self.engines = replace(self.engines, database_url=with_database(self.server_url, name))
        self.opened.append(connect(self.engines.database_url, application_name="bench"))
        stream.ensure_group(self.feed, self.settings.stream)

    def checkpoint(self) -> None:
        """Make a checkpoint. Afterwards PostgreSQL reuses its WAL files, like a server that has run for a while."""
        with psycopg.connect(libpq_url(self.server_url), autocommit=True) as connection:
            connection.execute("CHECKPOINT")

    def publish(self, bodies: Iterator[bytes]) -> int:
        """Publish events in batches, and return their number."""
        count = 0
        while chunk := [body for _, body in zip(range(1_000), bodies, strict=False)]:
            with self.feed.pipeline(transaction=False) as pipeline:
                for body in chunk:
                    pipeline.xadd(self.settings.stream, {"event": body})
                pipeline.execute()
            count += len(chunk)
        return count

    def scalar(self, statement: str) -> object:
        """Return the single value of a query."""
        with transaction(self.database) as tx:
            return tx.execute(text(statement)).scalar_one()

    def wait_until_empty(self) -> float:
        """Wait until every event is acknowledged.

        Return the time of the last check, as `time.perf_counter` gives it.
        """
        wait_for(lambda: self.feed.xlen(self.settings.stream) == 0, "the feed to be empty", 3_600)
        return time.perf_counter()

    def check_imported_once(self, events: int) -> None:
        """Check that `events` events are in the ledger, on the Claims Feed and in the history, each exactly once.

        Otherwise raises WrongResultError.
        """
        for statement in _IMPORTED_COUNT_QUERIES:
            found = self.scalar(statement)
            if found != events:
                raise WrongResultError(f"{events:,} events were published, and {found:,} found by: {statement}")

    def close(self) -> None:
        """Close the connections to the ledger."""
        while self.opened:
            self.opened.pop().dispose()


@contextmanager
def start_testbed(
    patients: int = generated_events.PATIENTS, shared_buffers: str = SHARED_BUFFERS_DEFAULT
) -> Iterator[Testbed]:
    """Start the servers in a temporary folder, create the database that each round copies, and yield the testbed."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pay-bench-")))
        with embedded_postgres(home) as url, psycopg.connect(libpq_url(url), autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET shared_buffers = '{shared_buffers}'")  # from its next start on
        engines = stack.enter_context(embedded_engines(home))
        settings = read_settings({"PAYMENTS_HOME": str(home)})
        with psycopg.connect(libpq_url(engines.database_url), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {PREPARED_DATABASE} TEMPLATE template0")
        ready = with_database(engines.database_url, PREPARED_DATABASE)
        upgrade_schema(ready, settings)
        generated_events.create_clinics_and_patients(ready, patients)
        testbed = Testbed(home, engines, settings, connect_redis(engines.redis_url), engines.database_url)
        stack.callback(testbed.feed.close)
        stack.callback(testbed.close)
        yield testbed


@contextmanager
def running(testbed: Testbed, name: str, command: tuple[str, ...], **env: str) -> Iterator[int]:
    """Run a process until the block ends, and yield its process id.

    If the process ends earlier, raises WrongResultError.
    """
    log = testbed.home / "log" / f"{name}.log"
    child = Child(name, command, testbed.variables | env, cwd=ROOT)
    with log.open("ab") as file:
        process = spawn(child, file)
        try:
            yield process.pid
            if has_ended(process):
                raise WrongResultError(f"{name} exited unexpectedly: {log.read_text(errors='replace')[-1_000:]}")
        finally:
            stop(process, child)


@contextmanager
def our_processes(
    testbed: Testbed, importers: int, only: tuple[str, ...] = ("importer", "intake"), **env: str
) -> Iterator[dict[str, int]]:
    """Run the intake, and an importer with `importers` processes, until the block ends.

    Yield their process ids by name.
    """
    with ExitStack() as stack:
        env |= {"PAYMENTS_IMPORTER_PROCESSES": str(importers)}
        yield {
            name: stack.enter_context(running(testbed, name, (sys.executable, "-m", f"workers.{name}"), **env))
            for name in only
        }


def wait_for(is_done: Callable[[], object], what: str, patience_seconds: int = PATIENCE_SECONDS) -> None:
    """Poll until `is_done` returns a true value.

    After `patience_seconds`, raises WrongResultError, which names `what`.
    """
    deadline = time.monotonic() + patience_seconds
    while not is_done():
        if time.monotonic() > deadline:
            raise WrongResultError(f"waited {patience_seconds} s for {what}")
        time.sleep(POLL_SECONDS)


def signal_group(leader: int, number: int) -> None:
    """Send a signal to the process group of `leader`."""
    os.killpg(leader, number)


_IMPORTED_COUNT_QUERIES = (
    "SELECT count(*) FROM events",
    "SELECT count(*) FROM lines WHERE status = 'Transmission Successful' AND application = 'imported'",
    "SELECT count(*) FROM entries",
    "SELECT count(DISTINCT line_ref) FROM entries JOIN lines ON lines.id = line_ref AND amount = amount_paid",
    "SELECT count(*) FROM history",
    "SELECT count(DISTINCT line_ref) FROM history",
)
