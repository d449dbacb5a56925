"""What a measurement runs on: engines with their durable settings, a fresh ledger, and the real processes."""

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

from bench import made
from config.engines import Engines
from config.settings import Settings, read_settings
from config.urls import with_database
from devstack.child_process import Child, has_ended, spawn, stop
from devstack.embedded_postgres import MEMORY
from devstack.engines import embedded_engines, embedded_postgres
from devstack.stack import application
from payments.store.db.connection import Database, connect, transaction
from tasks.feed import stream
from tasks.resources import connect_redis
from workers.runtime.schema import upgrade_schema

ROOT = Path(__file__).resolve().parents[1]
READY = "bench_ready"
"""The database that every round starts as a copy of: the schema, the clinics, the patients."""
PATIENCE_SECONDS = 120
POLL_SECONDS = 0.004


class WrongResultError(Exception):
    """A measurement did not end with what it should have: something was lost, doubled, or took for ever."""


@dataclass
class Stage:
    """The engines, and the addresses of the ledger and the feed of this round."""

    home: Path
    engines: Engines
    settings: Settings
    feed: redis.Redis
    server_url: str
    opened: list[Database] = field(default_factory=list)

    @property
    def database(self) -> Database:
        """The way to this round's ledger."""
        return self.opened[-1]

    @property
    def environment(self) -> dict[str, str]:
        """The variables of this round's processes."""
        return {**application("intake", self.settings, self.engines).env, "PAYMENTS_LOG_LEVEL": "info"}

    def fresh(self) -> None:
        """Begin a round: an empty feed and broker, a copy of the ready database, and nothing left to write out."""
        self.close()
        for url in (self.engines.redis_url, self.engines.broker_url):
            with connect_redis(url) as client:
                client.flushdb()
        name = f"bench_{uuid.uuid4().hex[:8]}"
        with psycopg.connect(plain(self.server_url), autocommit=True) as connection:
            last = self.engines.database_url
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE {READY} STRATEGY file_copy')
            if last != self.server_url:
                connection.execute(f'DROP DATABASE "{psycopg.conninfo.conninfo_to_dict(plain(last))["dbname"]}"')
            connection.execute("CHECKPOINT")
        self.engines = replace(self.engines, database_url=with_database(self.server_url, name))
        self.opened.append(connect(self.engines.database_url, application_name="bench"))
        stream.ensure_group(self.feed, self.settings.stream)

    def publish(self, bodies: Iterator[bytes]) -> int:
        """Put events on the feed, many a round trip, and return how many they were."""
        count = 0
        while chunk := [body for _, body in zip(range(1_000), bodies, strict=False)]:
            with self.feed.pipeline(transaction=False) as pipeline:
                for body in chunk:
                    pipeline.xadd(self.settings.stream, {"event": body})
                pipeline.execute()
            count += len(chunk)
        return count

    def one(self, statement: str) -> object:
        """Return the one value that a query asks for."""
        with transaction(self.database) as tx:
            return tx.execute(text(statement)).scalar_one()

    def wait_until_empty(self) -> float:
        """Wait until every event of the feed is acknowledged, and return the moment."""
        wait_for(lambda: self.feed.xlen(self.settings.stream) == 0, "the feed to be empty", 3_600)
        return time.perf_counter()

    def check(self, events: int) -> None:
        """See to it that each of so many events is in the ledger, on the feed and in the history exactly once."""
        for statement in _ONCE:
            found = self.one(statement)
            if found != events:
                raise WrongResultError(f"{events:,} events were published, and {found:,} found by: {statement}")

    def close(self) -> None:
        """Let go of the connections to the ledger."""
        while self.opened:
            self.opened.pop().dispose()


@contextmanager
def staged(patients: int = made.PATIENTS, shared_buffers: str = MEMORY) -> Iterator[Stage]:
    """Start engines in a folder of their own, and make the database that each round copies."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pay-bench-")))
        with embedded_postgres(home) as url, psycopg.connect(plain(url), autocommit=True) as connection:
            connection.execute(f"ALTER SYSTEM SET shared_buffers = '{shared_buffers}'")  # from its next start on
        engines = stack.enter_context(embedded_engines(home))
        settings = read_settings({"PAYMENTS_HOME": str(home)})
        with psycopg.connect(plain(engines.database_url), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {READY} TEMPLATE template0")
        ready = with_database(engines.database_url, READY)
        upgrade_schema(ready, settings)
        made.fill(ready, patients)
        stage = Stage(home, engines, settings, connect_redis(engines.redis_url), engines.database_url)
        stack.callback(stage.feed.close)
        stack.callback(stage.close)
        yield stage


@contextmanager
def running(stage: Stage, name: str, command: tuple[str, ...], **env: str) -> Iterator[int]:
    """Run a process until the block ends, and give its number; an end of its own before that is an error."""
    log = stage.home / "log" / f"{name}.log"
    child = Child(name, command, stage.environment | env, cwd=ROOT)
    with log.open("ab") as file:
        process = spawn(child, file)
        try:
            yield process.pid
            if has_ended(process):
                raise WrongResultError(f"{name} ended by itself: {log.read_text(errors='replace')[-1_000:]}")
        finally:
            stop(process, child)


@contextmanager
def our_processes(
    stage: Stage, importers: int, only: tuple[str, ...] = ("importer", "intake"), **env: str
) -> Iterator[dict[str, int]]:
    """Run the intake and an importer with so many processes, and give their numbers."""
    with ExitStack() as stack:
        env |= {"PAYMENTS_IMPORTER_PROCESSES": str(importers)}
        yield {
            name: stack.enter_context(running(stage, name, (sys.executable, "-m", f"workers.{name}"), **env))
            for name in only
        }


def wait_for(is_done: Callable[[], object], what: str, patience_seconds: int = PATIENCE_SECONDS) -> None:
    """Ask again and again, for as long as anyone would wait."""
    deadline = time.monotonic() + patience_seconds
    while not is_done():
        if time.monotonic() > deadline:
            raise WrongResultError(f"waited {patience_seconds} s for {what}")
        time.sleep(POLL_SECONDS)


def signal_group(leader: int, number: int) -> None:
    """Send a signal to a process and all that it started."""
    os.killpg(leader, number)


def plain(database_url: str) -> str:
    """Return the URL as PostgreSQL's own library spells it."""
    return database_url.replace("postgresql+psycopg://", "postgresql://")


_ONCE = (
    "SELECT count(*) FROM events",
    "SELECT count(*) FROM lines WHERE status = 'Transmission Successful' AND application = 'imported'",
    "SELECT count(*) FROM entries",
    "SELECT count(DISTINCT line_ref) FROM entries JOIN lines ON lines.id = line_ref AND amount = amount_paid",
    "SELECT count(*) FROM history",
    "SELECT count(DISTINCT line_ref) FROM history",
)
