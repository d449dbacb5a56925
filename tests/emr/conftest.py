"""Fixtures: the database of an EMR with an outbox, a client of Redis, and a new stream."""

import uuid
from collections.abc import Iterator

import psycopg
import pytest
import redis

from config.database_urls import libpq_url
from emr.outbox import create_table
from tests.engines import scratch_database

Connection = psycopg.Connection[tuple[object, ...]]


@pytest.fixture(scope="module")
def emr_url(postgres_url: str) -> Iterator[str]:
    """The URL of the EMR's database, which contains no tables of Billing."""
    with scratch_database(postgres_url) as url:
        yield libpq_url(url)


@pytest.fixture
def emr(emr_url: str) -> Iterator[Connection]:
    """A connection to the EMR's database. It has the outbox and a table of visits."""
    with psycopg.connect(emr_url) as connection:
        create_table(connection)
        connection.execute("CREATE TABLE IF NOT EXISTS visits (number int)")
        connection.execute("TRUNCATE visits, payment_outbox")
        connection.commit()
        yield connection


@pytest.fixture
def server(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url, protocol=2) as client:
        yield client


@pytest.fixture
def stream(server: redis.Redis) -> Iterator[str]:
    name = f"emr:test:{uuid.uuid4()}"
    yield name
    server.delete(name)
