"""What a process works with: the run is told of the settings, and an importer goes by the indexes."""

from dataclasses import replace
from datetime import timedelta

import psycopg
import pytest
from sqlalchemy import text

from config.engines import Engines
from config.settings import read_settings
from payments.store.db.connection import transaction
from tasks import resources
from tests.conftest import scratch_database
from tests.journeys.billing import open_clinic, take
from tests.make import saved

MINUTE = timedelta(minutes=1)
BY_ROW = ("lines", "entries", "patients", "events_default")


@pytest.mark.parametrize(
    ("wait_max", "backoff_schedule"),
    [
        (45 * MINUTE, (15 * MINUTE,) * 3),
        (40 * MINUTE, (15 * MINUTE, 15 * MINUTE, 10 * MINUTE)),
        (MINUTE, (MINUTE,)),
    ],
)
def test_unknown_patient_is_rechecked_until_the_wait_limit(here, wait_max, backoff_schedule):
    said = {"patient_recheck": 15 * MINUTE, "patient_wait_max": wait_max}

    assert replace(here, settings=here.settings.model_copy(update=said)).run().patient_schedule == backoff_schedule


@pytest.fixture
def opened(postgres_url, empty_ledger, redis_url, unprepared):
    """What a worker of each kind works with, in a ledger that PostgreSQL knows to be empty."""
    with scratch_database(postgres_url, empty_ledger) as url:
        with psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True) as connection:
            connection.execute("VACUUM ANALYZE")

        def opened_as(worker):
            resources.prepare(read_settings({}), Engines.named(url, redis_url), worker)
            return resources.resources()

        yield opened_as
        for each in resources._opened.values():
            each.database.dispose()
            each.feed.close()
            each.broker.close()


def read_whole(tx):
    """Return the tables that were read from end to end in this transaction."""
    asked = text("SELECT relname FROM pg_stat_xact_user_tables WHERE seq_scan > 0 AND relname = ANY(:names) ORDER BY 1")
    return tx.execute(asked, {"names": list(BY_ROW)}).scalars().all()


def test_an_importer_reads_no_whole_table_though_it_began_when_the_ledger_was_empty(opened):
    with transaction(opened("importer").database) as tx:
        open_clinic(tx)
        for number in range(20):
            take(tx, saved("25.00", payment_id=f"payment-{number}"))
            take(tx, saved("26.00", payment_id=f"payment-{number}", version=2))

        assert read_whole(tx) == []


def test_the_back_office_whose_work_is_on_whole_ledgers_may(opened):
    with transaction(opened("backoffice").database) as tx:
        assert tx.execute(text("SHOW enable_seqscan")).scalar_one() == "on"
