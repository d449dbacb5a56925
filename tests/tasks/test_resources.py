"""The resources of a worker process: the backoff schedule of patients, and the importer's query plans."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import redis
from sqlalchemy import text

from config.database_urls import libpq_url
from config.engines import Engines
from config.settings import read_settings
from devstack.engines import embedded_valkey
from payments.store.db.connection import transaction
from tasks import resources as resources_module
from tasks.resources import connect_redis
from tests.builders.events import saved_payment
from tests.builders.ledger import create_clinic, import_chunk
from tests.engines import scratch_database

MINUTE = timedelta(minutes=1)
TABLES_READ_BY_ROW = ("lines", "entries", "patients", "events_default")


@pytest.mark.parametrize(
    ("wait_max", "schedule"),
    [
        (45 * MINUTE, (15 * MINUTE,) * 3),
        (40 * MINUTE, (15 * MINUTE, 15 * MINUTE, 10 * MINUTE)),
        (MINUTE, (MINUTE,)),
    ],
)
def test_patient_backoff_schedule_adds_up_to_the_longest_wait(resources, wait_max, schedule):
    update = {"patient_recheck": 15 * MINUTE, "patient_wait_max": wait_max}

    assert (
        replace(resources, settings=resources.settings.model_copy(update=update)).run_context().patient_schedule
        == schedule
    )


@pytest.fixture
def open_resources(postgres_url, ledger_template, redis_url, unconfigured):
    """Return a function that opens a worker's resources on a database that was last analyzed while it was empty."""
    with scratch_database(postgres_url, ledger_template) as url:
        with psycopg.connect(libpq_url(url), autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")

        def open_for_worker(worker):
            resources_module.configure(read_settings({}), Engines.from_urls(url, redis_url), worker)
            return resources_module.get_resources()

        yield open_for_worker
        for each in resources_module._opened.values():
            each.database.dispose()
            each.feed.close()
            each.broker.close()


def sequentially_scanned_tables(tx):
    """Return the tables that this transaction read by a sequential scan."""
    asked = text("SELECT relname FROM pg_stat_xact_user_tables WHERE seq_scan > 0 AND relname = ANY(:names) ORDER BY 1")
    return tx.execute(asked, {"names": list(TABLES_READ_BY_ROW)}).scalars().all()


@pytest.mark.slow
def test_importer_never_scans_a_table_even_if_it_started_on_an_empty_ledger(open_resources):
    with transaction(open_resources("importer").database) as tx:
        create_clinic(tx)
        for number in range(20):
            import_chunk(tx, saved_payment("25.00", payment_id=f"payment-{number}"))
            import_chunk(tx, saved_payment("26.00", payment_id=f"payment-{number}", version=2))

        assert sequentially_scanned_tables(tx) == []


def test_backoffice_may_scan_tables(open_resources):
    with transaction(open_resources("backoffice").database) as tx:
        assert tx.execute(text("SHOW enable_seqscan")).scalar_one() == "on"


def test_connection_is_closed_after_a_refused_write(tmp_path: Path) -> None:
    """A server that becomes a replica keeps its connections, but refuses writes.

    A new connection can reach the promoted server, which accepts writes.
    """
    with embedded_valkey(tmp_path, durable=False) as url, connect_redis(url) as client, connect_redis(url) as other:
        client.set("text", "text")
        kept = client.connection_pool
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            client.lpush("text", "other errors keep the connection")
        assert [each.is_connected for each in kept._available_connections] == [True]
        other.replicaof("127.0.0.1", 1)

        replies = client.pipeline(transaction=False).set("key", 1).get("text").execute(raise_on_error=False)

        assert [type(replies[0]), replies[1]] == [redis.ReadOnlyError, b"text"]
        assert [each.is_connected for each in kept._available_connections] == [False]
        other.replicaof("NO", "ONE")
        assert client.set("key", 1)
