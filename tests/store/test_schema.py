"""The database has the form of `tables.py`, and guards the ledger itself."""

from contextlib import contextmanager

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from payments.store.db.connection import connect
from payments.store.migrations import is_current, is_in_tables, upgrade
from payments.store.tables import metadata
from tests.engines import scratch_database
from tests.journeys.billing import ledger, open_clinic, set_month, take
from tests.make import saved


@contextmanager
def closing_engine(url):
    engine = connect(url, application_name="tests")
    yield engine
    engine.dispose()


INSERT = (
    "INSERT INTO entries (part, kind, amount, company_id, clinic_id, patient_id, charge_type, method, deposit_date, "
    "posting_date, posted_at, entered_by) VALUES (1, 'manual', 1, 'company', 'clinic', 'patient', 'Copay', 'Cash', "
    "CAST(:day AS date), '2026-06-10', '2026-06-10', 'user:biller')"
)


def test_the_migrations_lead_to_the_schema_of_tables(database):
    with database.connect() as connection:
        options = {"include_name": lambda name, kind, _: is_in_tables(name, kind)}
        differences = compare_metadata(MigrationContext.configure(connection, opts=options), metadata)

    assert differences == []


def test_an_upgrade_is_harmless_when_repeated_and_only_then_is_the_schema_current(postgres_url):
    with scratch_database(postgres_url) as url:
        engine = connect(url, application_name="tests")
        try:
            assert not is_current(engine)
            for _ in range(2):
                upgrade(url)
                assert is_current(engine)
        finally:
            engine.dispose()


def test_the_form_of_a_later_version_is_left_as_it_is_and_an_older_one_is_not_current(postgres_url, empty_ledger):
    with (
        scratch_database(postgres_url, empty_ledger) as url,
        psycopg.connect(url.replace("+psycopg", "", 1), autocommit=True) as connection,
        closing_engine(url) as engine,
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
def test_the_ledger_refuses_to_be_changed(tx, statement):
    open_clinic(tx)
    take(tx, saved("25.00"))

    with pytest.raises(DBAPIError, match="append-only"), tx.begin_nested():
        tx.execute(text(statement))

    assert ledger(tx) == [("25.00", "2026-06-05")]


@pytest.mark.parametrize(("state", "refused"), [("OPEN", False), ("SCHEDULED", False), ("CLOSED", True)])
def test_the_ledger_takes_no_deposit_date_in_a_closed_month(tx, state, refused):
    set_month(tx, "2026-05", state)
    for day in ("2026-04-30", "2026-06-01"):
        tx.execute(text(INSERT), {"day": day})

    for day in ("2026-05-01", "2026-05-31"):
        if refused:
            with pytest.raises(DBAPIError, match="the month is closed for company company"), tx.begin_nested():
                tx.execute(text(INSERT), {"day": day})
        else:
            tx.execute(text(INSERT), {"day": day})


def test_an_entry_brings_its_month_along_so_that_a_close_has_something_to_hold(tx):
    for day in ("2026-04-30", "2026-05-01", "2026-05-31"):
        tx.execute(text(INSERT), {"day": day})

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
def test_a_closed_month_is_not_opened_again_nor_changed(tx, statement):
    set_month(tx, "2026-05", "CLOSED")

    with pytest.raises(DBAPIError, match="a closed month stays as it is"), tx.begin_nested():
        tx.execute(text(statement))


def test_a_closed_month_of_another_company_does_not_matter(tx):
    set_month(tx, "2026-05", "CLOSED")

    tx.execute(text(INSERT.replace("'company'", "'other'")), {"day": "2026-05-01"})
