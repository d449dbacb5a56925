"""Connections to a former primary that no longer answers are closed. A slow query on a primary is not disturbed."""

import time
from contextlib import closing
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy.exc import DBAPIError

from devstack.engines import embedded_postgres
from payments.store.db import former_primary
from payments.store.db.connection import connect, is_transient, transaction
from payments.store.db.statement import text
from tests.faults.network_hosts import TcpForwarder

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def servers(tmp_path_factory):
    """Run two servers, and return the paths of their sockets."""
    with (
        embedded_postgres(tmp_path_factory.mktemp("old"), durable=False) as old,
        embedded_postgres(tmp_path_factory.mktemp("new"), durable=False) as new,
    ):
        yield [f"{parse_qs(urlsplit(url).query)['host'][0]}/.s.PGSQL.5432" for url in (old, new)]


@pytest.fixture
def address(servers, monkeypatch):
    """An address that leads to the first server."""
    monkeypatch.setattr(former_primary, "SILENT_CHECKS", 3)
    monkeypatch.setattr(former_primary, "CHECK_SECONDS", 0.1)
    with closing(TcpForwarder("127.0.0.1", servers[0])) as forwarder:
        yield forwarder


@pytest.fixture
def engine(address):
    engine = connect(f"postgresql+psycopg://postgres@127.0.0.1:{address.port}/payments", application_name="tests")
    yield engine
    engine.dispose()


def test_connection_to_a_former_primary_is_closed_and_the_next_reaches_the_new_one(address, engine, servers):
    started = time.monotonic()
    with transaction(engine):
        address.forward_to(servers[1])
    with pytest.raises(DBAPIError) as error, transaction(engine) as tx:
        tx.execute(text("SELECT pg_sleep(60)"))

    assert is_transient(error.value)
    assert time.monotonic() - started < 30
    with transaction(engine) as tx:
        assert "/new" in tx.execute(text("SHOW data_directory")).scalar_one()


def test_slow_query_is_not_disturbed(engine):
    with transaction(engine) as tx:
        assert tx.execute(text("SELECT 1 FROM pg_sleep(2)")).scalar_one() == 1


def test_slow_query_is_not_disturbed_while_no_server_can_be_reached(address, engine):
    with transaction(engine) as tx:
        address.forward_to("/nowhere/.s.PGSQL.5432")
        assert tx.execute(text("SELECT 1 FROM pg_sleep(2)")).scalar_one() == 1
