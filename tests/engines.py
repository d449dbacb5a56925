"""Fixtures for PostgreSQL and Redis. The servers are temporary unless DATABASE_URL and REDIS_URL name others."""

import logging
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
import structlog
from psycopg import sql
from psycopg._preparing import PrepareManager
from sqlalchemy import event

from config.database_urls import libpq_url, normalize_database_url, with_database
from config.redis_urls import with_redis_database
from devstack.engines import embedded_postgres, embedded_valkey
from payments.store.db.connection import Database, Transaction, connect
from payments.store.migrations import upgrade
from tests.examples import load_profile

load_profile()

# The tests empty this database of REDIS_URL's server; the broker of a test is the one after it. One for each process
# of a run, `gw0` and on; those between belong to the stacks of tests/acceptance and tests/browser.
REDIS_TEST_DATABASES = {"master": 9, "gw0": 9, "gw1": 13, "gw2": 6, "gw3": 2}

MEMORY, MEMORY_BYTES_MIN = Path("/dev/shm"), 2 * 1024**3  # noqa: S108 (the subfolder has a random name)


@pytest.fixture(scope="session")
def engines_home() -> Iterator[Path]:
    """The data folder of this run's embedded servers, in memory if there is enough space."""
    is_roomy = MEMORY.is_dir() and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > MEMORY_BYTES_MIN
    with tempfile.TemporaryDirectory(prefix="payments-tests-", dir=MEMORY if is_roomy else None) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def postgres_url(engines_home: Path) -> Iterator[str]:
    """The SQLAlchemy URL of an empty PostgreSQL database, for the whole session."""
    named = os.environ.get("DATABASE_URL")
    if named:
        with scratch_database(normalize_database_url(named)) as url:
            yield url
    else:
        # The data need not survive a power failure.
        with embedded_postgres(engines_home, durable=False) as url:
            yield url


@pytest.fixture(scope="session")
def redis_url(engines_home: Path) -> Iterator[str]:
    """The URL of an empty Redis or Valkey database, for the whole session."""
    named = os.environ.get("REDIS_URL")
    if named:
        url = with_redis_database(named, REDIS_TEST_DATABASES[os.environ.get("PYTEST_XDIST_WORKER", "master")])
        empty_redis(url)
        yield url
        empty_redis(url)
    else:
        with embedded_valkey(engines_home, durable=False) as url:
            yield url


@pytest.fixture(autouse=True)
def _restore_logging() -> Iterator[None]:
    """Restore the logging configuration after each test, because commands replace it."""
    root, warned = logging.getLogger(), vars(logging)["_warnings_showwarning"]
    handlers, level, hook = root.handlers[:], root.level, sys.excepthook
    yield
    root.handlers[:], sys.excepthook, _ = handlers, hook, root.setLevel(level)
    logging.captureWarnings(warned is not None)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


class PersistentStatements(PrepareManager):
    """Keeps prepared statements after the rollback of a test. No test may change the schema, which would break them."""

    prepare_threshold = 1
    prepared_max = 1_000

    def _should_discard(self, *_: object) -> bool:
        return False


def keep_prepared_statements(connection: Any, _record: object) -> None:
    """Keep this connection's prepared statements between tests. PostgreSQL then parses each statement only once."""
    connection._prepared = PersistentStatements()


@contextmanager
def scratch_database(url: str, template: str = "template0") -> Iterator[str]:
    """Create a database as a copy of the template on the server of this URL, and drop it when the block ends."""
    name = f"payments_test_{uuid.uuid4().hex[:12]}"
    # Copying files is ten times as fast as the default, which copies through the write-ahead log.
    create = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
    with psycopg.connect(libpq_url(url), autocommit=True) as connection:
        connection.execute(create.format(sql.Identifier(name), sql.Identifier(template)))
        yield with_database(url, name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def empty_redis(url: str) -> None:
    """Empty one Redis database."""
    with redis.Redis.from_url(url) as client:
        client.flushdb()


@pytest.fixture(scope="session")
def ledger_template(postgres_url: str) -> Iterator[str]:
    """The name of a migrated template database. No test connects to it; other databases are copies of it."""
    with scratch_database(postgres_url) as url:
        upgrade(url)
        yield urlsplit(url).path[1:]


@pytest.fixture(scope="session")
def database(postgres_url: str, ledger_template: str) -> Iterator[Database]:
    """The connection pool of a migrated database, for the whole session."""
    with scratch_database(postgres_url, ledger_template) as url:
        engine = connect(url, application_name="tests", pool_size=4)
        event.listen(engine, "connect", keep_prepared_statements)
        yield engine
        engine.dispose()


@pytest.fixture
def tx(database: Database) -> Iterator[Transaction]:
    """A transaction that is rolled back after the test."""
    with database.connect() as connection:
        yield connection
        connection.rollback()
