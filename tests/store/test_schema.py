"""The migrated schema equals `tables.py`, and its triggers protect the ledger and closed months."""

from contextlib import contextmanager

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from config.database_urls import libpq_url
from payments.store.db.connection import connect
from payments.store.migrations import is_current, is_in_tables, upgrade
from payments.store.tables import metadata
from tests.builders.events import saved_payment
from tests.builders.ledger import create_clinic, import_chunk, ledger_entries, set_month_state
from tests.engines import scratch_database

pytestmark = pytest.mark.slow


@contextmanager
def opened_engine(url):
    engine = connect(url, application_name="tests")
    yield engine
    engine.dispose()


INSERT_ENTRY = (
    "INSERT INTO entries (part, kind, amount, company_id, clinic_id, patient_id, charge_type, method, deposit_date, "
    "posting_date, posted_at, entered_by) VALUES (1, 'manual', 1, 'company', 'clinic', 'patient', 'Copay', 'Cash', "
    "CAST(:day AS date), '2026-06-10', '2026-06-10', 'user:biller')"
)


def test_migrations_produce_the_schema_of_tables(database):
    with database.connect() as connection:
        options = {"include_name": lambda name, kind, _: is_in_tables(name, kind)}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    assert differences == []


def test_upgrade_makes_the_schema_current_and_can_be_repeated(postgres_url):
    with scratch_database(postgres_url) as url:
        engine = connect(url, application_name="tests")
        try:
            assert not is_current(engine)
            for _ in range(2):
                upgrade(url)
                assert is_current(engine)
        finally:
            engine.dispose()


def test_later_schema_is_current_and_left_unchanged(postgres_url, ledger_template):
    with (
        scratch_database(postgres_url, ledger_template) as url,
        psycopg.connect(libpq_url(url), autocommit=True) as connection,
        opened_engine(url) as engine,
    ):
        for revision, current in (("0001", False), ("9001", True)):
            connection.execute("UPDATE alembic_version SET version_num = %s", [revision])
            assert is_current(engine) is current
        upgrade(url)

        assert connection.execute("SELECT version_num FROM alembic_version").fetchall() == [("9001",)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE entries SET amount = 99",
        "UPDATE entries SET method = 'Check'",
        "DELETE FROM entries",
        "TRUNCATE entries CASCADE",
    ],
)
def test_entries_cannot_be_changed(tx, statement):
    create_clinic(tx)
    import_chunk(tx, saved_payment("25.00"))

    with pytest.raises(DBAPIError, match="append-only"), tx.begin_nested():
        tx.execute(text(statement))

    assert ledger_entries(tx) == [("25.00", "2026-06-05")]


@pytest.mark.parametrize(("state", "refused"), [("OPEN", False), ("SCHEDULED", False), ("CLOSED", True)])
def test_entry_with_deposit_date_in_closed_month_is_refused(tx, state, refused):
    set_month_state(tx, "2026-05", state)
    tx.execute(text(INSERT_ENTRY), {"day": "2026-06-01"})

    for day in ("1999-12-31", "2026-04-30", "2026-05-01", "2026-05-31"):
        if refused:
            with pytest.raises(DBAPIError, match="the month is closed for company company"), tx.begin_nested():
                tx.execute(text(INSERT_ENTRY), {"day": day})
        else:
            tx.execute(text(INSERT_ENTRY), {"day": day})


def test_inserting_an_entry_creates_its_month(tx):
    for day in ("2026-04-30", "2026-05-01", "2026-05-31"):
        tx.execute(text(INSERT_ENTRY), {"day": day})

    found = tx.execute(text("SELECT month::text, state FROM company_months WHERE company_id = 'company' ORDER BY 1"))
    assert found.all() == [("2026-04-01", "OPEN"), ("2026-05-01", "OPEN")]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE company_months SET state = 'OPEN'",
        "UPDATE company_months SET payments_total = 99",
        "DELETE FROM company_months WHERE month = '2026-05-01'",
        "TRUNCATE company_months",
    ],
)
def test_closed_month_cannot_be_changed(tx, statement):
    set_month_state(tx, "2026-05", "CLOSED")

    with pytest.raises(DBAPIError, match="a closed month stays as it is"), tx.begin_nested():
        tx.execute(text(statement))


def test_closed_month_of_another_company_has_no_effect(tx):
    set_month_state(tx, "2026-05", "CLOSED")

    tx.execute(text(INSERT_ENTRY.replace("'company'", "'other'")), {"day": "2026-05-01"})
