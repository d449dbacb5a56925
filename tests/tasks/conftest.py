"""Real engines for the tasks: a feed and a broker of their own, and a database in which faults may be planted."""

import os
from collections.abc import Iterator, MutableMapping
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
from tasks import resources
from tasks.app import make_app
from tasks.feed import stream
from tasks.resources import Resources, connect_redis
from tests.conftest import scratch_database
from tests.make import NOW
from tests.tasks.feeding import opened
from workers.intake import Intake


@pytest.fixture(autouse=True)
def logged() -> Iterator[list[MutableMapping[str, Any]]]:
    """What is logged during the test."""
    with structlog.testing.capture_logs() as entries:
        yield entries


@pytest.fixture(scope="session")
def planted(postgres_url: str, empty_ledger: str) -> Iterator[str]:
    """A database in which triggers refuse each line and each entry of the ledger whose name begins with `poison`."""
    with scratch_database(postgres_url, empty_ledger) as url:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(
                text(
                    "CREATE FUNCTION poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
                    "RAISE EXCEPTION 'this payment cannot be stored'; END $$"
                )
            )
            for table, name in (("lines", "payment_id"), ("entries", "reference")):
                connection.execute(
                    text(
                        f"CREATE TRIGGER poison BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW "
                        f"WHEN (NEW.{name} LIKE 'poison%') EXECUTE FUNCTION poison()"
                    )
                )
        engine.dispose()
        yield url


@pytest.fixture
def engines(planted: str, redis_url: str) -> Engines:
    """The addresses of the real engines."""
    return Engines.named(planted, redis_url)


@pytest.fixture
def feed(engines: Engines) -> Iterator[redis.Redis]:
    """The feed's server, with a broker in which nothing waits."""
    with connect_redis(engines.broker_url) as broker, connect_redis(engines.redis_url) as client:
        broker.flushdb()
        yield client
        broker.flushdb()


@pytest.fixture
def stream_name(feed: redis.Redis) -> Iterator[str]:
    """A stream of its own, with the group."""
    name = f"emr:test:{uuid4()}"
    stream.ensure_group(feed, name)
    yield name
    feed.delete(name)


@pytest.fixture
def database(planted: str) -> Iterator[Database]:
    """The way to that database."""
    engine = create_engine(planted, pool_size=2, pool_pre_ping=True, connect_args={"options": "-c lock_timeout=15s"})
    yield engine
    engine.dispose()


@pytest.fixture
def impatient(planted: str) -> Iterator[Database]:
    """The way to that database for someone who does not wait for a lock."""
    engine = create_engine(planted, pool_pre_ping=True, connect_args={"options": "-c lock_timeout=100ms"})
    yield engine
    engine.dispose()


@pytest.fixture
def clinic_id(database: Database) -> str:
    """A clinic of its own that sends everything, while nobody else has anything that comes due."""
    name = f"clinic-{uuid4()}"
    with transaction(database) as tx:
        tx.execute(
            text("UPDATE lines SET due_at = greatest(due_at, now()) + interval '1 day' WHERE due_at IS NOT NULL")
        )
        wish = SettingsUpdate(name, "company", integration=True, charge_types=list(ChargeType))
        configuring.set_clinic(tx, wish, now=NOW, who="user:admin")
    return name


@pytest.fixture
def here(database: Database, feed: redis.Redis, engines: Engines, stream_name: str) -> Iterator[Resources]:
    """What a task works with, put together by hand."""
    settings = read_settings({"PAYMENTS_STREAM": stream_name, "PAYMENTS_RETRY_LADDER": "1s,10h"})
    with connect_redis(engines.broker_url) as broker:
        yield Resources(settings, database, feed, broker, "importer-1")


@pytest.fixture
def unprepared(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process be one whose entry has prepared nothing yet, and leave the collector of these tests alone."""
    for name, value in (("_prepared", None), ("_opened", {}), ("_collect_garbage_seldom", lambda: None)):
        monkeypatch.setattr(resources, name, value)


@pytest.fixture
def at_work(here: Resources, engines: Engines, monkeypatch: pytest.MonkeyPatch) -> Resources:
    """Let this process be a worker of the real engines; tasks that are called work with `here`."""
    monkeypatch.setattr(resources, "_prepared", (here.settings, engines, here.worker))
    monkeypatch.setitem(resources._opened, os.getpid(), here)
    make_app(celery_settings(engines, here.settings))
    return here


@pytest.fixture
def intake(engines: Engines, stream_name: str) -> Iterator[Intake]:
    """An intake that hands out chunks of four and at most ten at a time, and tries again after one short step."""
    with opened(engines, stream_name) as intake:
        yield intake
