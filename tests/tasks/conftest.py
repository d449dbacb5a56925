"""Fixtures for a real feed and broker, a database that rejects poisoned payments, and a dispatcher."""

import os
from collections.abc import Iterator, MutableMapping
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
import redis
import structlog
from sqlalchemy import create_engine, text

from config.celery import celery_settings
from config.engines import Engines
from config.settings import read_settings
from payments.contract.event import ChargeType
from payments.journeys import configuring
from payments.journeys.configuring import SettingsUpdate
from payments.store.db.connection import Database, transaction
from tasks import resources as resources_module
from tasks.app import close_app, make_app
from tasks.feed import stream
from tasks.feed.deleted_entries import RECENTLY_DELETED_COUNT_KEY
from tasks.feed.dispatcher import Dispatcher
from tasks.feed.outage import OUTAGE_KEY
from tasks.resources import Resources, connect_redis
from tests.builders.events import NOW
from tests.engines import scratch_database
from tests.faults.workload import configure_clinics
from tests.tasks.dispatching import open_dispatcher
from tests.tasks.replaying import opened_database


@pytest.fixture(autouse=True)
def log_entries() -> Iterator[list[MutableMapping[str, Any]]]:
    """Capture the log entries of the test."""
    with structlog.testing.capture_logs() as entries:
        yield entries


@pytest.fixture(scope="session")
def poisoned_url(postgres_url: str, ledger_template: str) -> Iterator[str]:
    """Create a database and yield its URL. Triggers reject lines, entries and dead letters named `poison...`."""
    with scratch_database(postgres_url, ledger_template) as url:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(
                text(
                    "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                    "RAISE EXCEPTION 'this payment cannot be stored'; END $$"
                )
            )
            for table, name in (("lines", "payment_id"), ("entries", "reference"), ("set_aside", "patient_id")):
                connection.execute(
                    text(
                        f"CREATE TRIGGER poison BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW "
                        f"WHEN (NEW.{name} LIKE 'poison%') EXECUTE FUNCTION poison()"
                    )
                )
        engine.dispose()
        yield url


@pytest.fixture
def engines(poisoned_url: str, redis_url: str) -> Engines:
    """Return the URLs of the PostgreSQL database that rejects poisoned payments, and of Redis."""
    return Engines.from_urls(poisoned_url, redis_url)


@pytest.fixture
def feed(engines: Engines) -> Iterator[redis.Redis]:
    """Connect to the feed's Redis database. The broker is emptied before and after the test.

    The records of an outage and of deleted entries are removed.
    """
    with connect_redis(engines.broker_url) as broker, connect_redis(engines.redis_url) as client:
        broker.flushdb()
        yield client
        broker.flushdb()
        client.delete(OUTAGE_KEY, RECENTLY_DELETED_COUNT_KEY)


@pytest.fixture
def stream_name(feed: redis.Redis) -> Iterator[str]:
    """Create a stream and a consumer group for this test, and yield the name of the stream."""
    name = f"emr:test:{uuid4()}"
    stream.ensure_group(feed, name)
    yield name
    feed.delete(name)


@pytest.fixture
def database(poisoned_url: str) -> Iterator[Database]:
    """Connect to the database that rejects poisoned payments."""
    engine = create_engine(
        poisoned_url, pool_size=2, pool_pre_ping=True, connect_args={"options": "-c lock_timeout=15s"}
    )
    yield engine
    engine.dispose()


@pytest.fixture
def short_lock_database(poisoned_url: str) -> Iterator[Database]:
    """Connect to the database that rejects poisoned payments, with a lock timeout of 100 ms."""
    engine = create_engine(poisoned_url, pool_pre_ping=True, connect_args={"options": "-c lock_timeout=100ms"})
    yield engine
    engine.dispose()


@pytest.fixture
def clinic_id(database: Database) -> str:
    """Create a clinic that sends every charge type, and return its id. Postpone the waiting lines of other tests."""
    name = f"clinic-{uuid4()}"
    with transaction(database) as tx:
        tx.execute(
            text("UPDATE lines SET due_at = greatest(due_at, now()) + interval '1 day' WHERE due_at IS NOT NULL")
        )
        update = SettingsUpdate(name, "company", integration=True, charge_types=list(ChargeType))
        configuring.set_clinic(tx, update, now=NOW, who="user:admin")
    return name


@pytest.fixture
def resources(database: Database, feed: redis.Redis, engines: Engines, stream_name: str) -> Iterator[Resources]:
    """Build the resources of a worker process."""
    settings = read_settings({"PAYMENTS_STREAM": stream_name, "PAYMENTS_RETRY_LADDER": "1s,10h"})
    with connect_redis(engines.broker_url) as broker:
        yield Resources(settings, database, feed, broker, "importer-1")


@pytest.fixture
def unconfigured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove the configured resources of this process, and disable the garbage collector's tuning."""
    for name, value in (("_configuration", None), ("_opened", {}), ("_relax_garbage_collection", lambda: None)):
        monkeypatch.setattr(resources_module, name, value)


@pytest.fixture
def worker_process(resources: Resources, engines: Engines, monkeypatch: pytest.MonkeyPatch) -> Iterator[Resources]:
    """Make this process a worker on the real engines, whose tasks use the fixture `resources`."""
    monkeypatch.setattr(resources_module, "_configuration", (resources.settings, engines, resources.worker))
    monkeypatch.setitem(resources_module._opened, os.getpid(), resources)
    make_app(celery_settings(engines))
    yield resources
    close_app()


@pytest.fixture
def dispatcher(engines: Engines, stream_name: str) -> Iterator[Dispatcher]:
    """Open a dispatcher with chunks of four, at most ten pending entries and a short backoff schedule."""
    with open_dispatcher(engines, stream_name) as dispatcher:
        yield dispatcher


@pytest.fixture
def simulated_ledger_url(postgres_url: str, ledger_template: str) -> Iterator[str]:
    """Create a ledger with the simulated clinics, and yield its URL."""
    with scratch_database(postgres_url, ledger_template) as url:
        with opened_database(url) as database, transaction(database) as tx:
            configure_clinics(tx)
        yield url


@pytest.fixture
def keeping_importer(simulated_ledger_url: str, resources: Resources, stream_name: str) -> Iterator[Resources]:
    """Build the resources of an importer that keeps entries, on a partitioned feed."""
    settings = read_settings(
        {
            "PAYMENTS_STREAM": stream_name,
            "PAYMENTS_STREAMS": "3",
            "PAYMENTS_KEEP_ENTRIES": "1d",
            "PAYMENTS_CHUNK_EVENTS": "40",
        }
    )
    with opened_database(simulated_ledger_url) as database:
        importer = replace(resources, settings=settings, database=database)
        importer.streams.ensure_groups()
        yield importer
    resources.feed.delete(*importer.streams.names)
