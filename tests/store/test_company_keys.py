"""An upgrade creates keys that begin with the company while processes run. A later step drops the earlier keys."""

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import text

from config.database_urls import libpq_url
from payments.core.month import Month
from payments.journeys import closing
from payments.store.db.connection import connect, transaction
from payments.store.migrations import is_in_tables, online, upgrade
from payments.store.tables import metadata
from tests.builders.earlier_release import database_of_revision
from tests.builders.events import paid, saved_charge, saved_payment
from tests.builders.office import Office
from tests.builders.two_companies import TODAY, add_company, add_second_company
from tests.engines import scratch_database
from tests.store.test_partitions import create_partitions
from workers.runtime.company_backfill import backfill_company_ids
from workers.runtime.company_keys import UnfinishedError, create_keys, finish

pytestmark = pytest.mark.slow


@pytest.fixture
def earlier_database(postgres_url, ledger_template):
    """A migrated database of the previous release. It has two companies, monthly partitions and a closed month."""
    with scratch_database(postgres_url, ledger_template) as current:
        engine = connect(current, application_name="tests")
        with transaction(engine) as tx:
            add_second_company(tx)
            office = add_company(tx)
            office.publish(saved_payment(payment_id="may", **paid("70.00", "2020-05-05")))
            office.close_months("2020-05")
            office.publish(saved_payment(payment_id="may", version=2, **paid("60.00", "2020-05-05")), b"unreadable")
        engine.dispose()
        with database_of_revision(postgres_url, "0020", rows_of=current) as url:
            engine = connect(url, application_name="tests")
            with transaction(engine) as tx:
                create_partitions(tx, TODAY)
            upgrade(url)
            yield url
            engine.dispose()


@pytest.fixture
def engine(earlier_database):
    opened = connect(earlier_database, application_name="payments migrate")
    yield opened
    opened.dispose()


def schema_differences(engine):
    with engine.connect() as connection:
        options = {"include_name": lambda name, kind, _: is_in_tables(name, kind)}
        return compare_metadata(MigrationContext.configure(connection, opts=options), metadata)


def do_all_work(engine, payment_id):
    """Import, correct, reject, distribute, accept and requeue payments, and check a closed month."""
    with transaction(engine) as tx:
        office = Office(tx, TODAY)
        payment = saved_payment(payment_id=payment_id, **paid("12.00", "2020-06-08"))
        office.publish(payment, saved_charge(payment_id, "12.00", date_of_service="2020-06-08"), b"unreadable")
        office.publish(payment, saved_payment(payment_id=payment_id, version=2, **paid("13.00", "2020-06-08")))
        office.publish(saved_payment(payment_id=f"{payment_id}-may", **paid("5.00", "2020-05-08")))
        assert len(office.accept_all()) >= 1
        office.distribute_all()
        assert closing.verify(tx, "company", Month.parse("2020-05")).matches


def test_upgraded_database_equals_a_new_one(engine):
    backfill_company_ids(engine)
    create_keys(engine)
    do_all_work(engine, "between")
    finish(engine)
    do_all_work(engine, "after")

    assert schema_differences(engine) == []


def test_repeated_upgrade_steps_change_nothing(engine):
    backfill_company_ids(engine)
    for step in (create_keys, finish, create_keys, finish):
        step(engine)

    assert schema_differences(engine) == []


def test_incomplete_index_is_created_again(engine):
    backfill_company_ids(engine)
    create_keys(engine)
    with transaction(engine) as tx:
        tx.execute(text("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'lines_by_id'::regclass"))
        assert [index.name for index in online.missing_indexes(tx)] == ["lines_by_id"]

    create_keys(engine)

    with transaction(engine) as tx:
        assert online.missing_indexes(tx) == []


def test_finish_is_refused_before_the_keys_exist(engine):
    with pytest.raises(UnfinishedError, match="rows of findings, findings_was, history have no company yet"):
        finish(engine)
    backfill_company_ids(engine)
    with pytest.raises(UnfinishedError, match="indexes are missing: account_marks_key"):
        finish(engine)


def test_finish_is_refused_while_an_earlier_process_is_connected(engine, earlier_database):
    backfill_company_ids(engine)
    create_keys(engine)
    importer = psycopg.connect(libpq_url(earlier_database), application_name="payments importer")
    with pytest.raises(UnfinishedError, match="connected: payments importer; replace them first"):
        finish(engine)
    with transaction(engine) as tx:  # the function waits until the session has ended
        assert tx.execute(text("SELECT pg_terminate_backend(:pid, 10000)"), {"pid": importer.info.backend_pid}).scalar()
    importer.close()

    finish(engine)
    assert schema_differences(engine) == []


def test_dead_letter_keeps_its_company_while_bodies_are_unique(engine):
    backfill_company_ids(engine)
    create_keys(engine)
    with transaction(engine) as tx:
        office = Office(tx, TODAY)
        office.publish(b'{"company_id": "company", "schema": 1}')
        tx.execute(text("UPDATE set_aside SET company_id = 'another' WHERE company_id = 'company'"))
        office.publish(b'{"company_id": "company", "schema": 1}')
        found = tx.execute(text("SELECT company_id, attempts FROM set_aside WHERE company_id IS NOT NULL")).all()

    assert found == [("another", 2)]
