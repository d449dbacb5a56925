"""An upgrade sets the company of an earlier release's rows, and changes nothing else in them."""

from datetime import date

import psycopg
import pytest
from sqlalchemy import text

from config.database_urls import libpq_url
from payments.journeys import reporting
from payments.journeys.reporting import ExceptionFilter, FeedFilter, PaymentLogFilter
from payments.store.db.connection import connect, transaction
from payments.store.migrations import backfill, upgrade
from payments.store.migrations.backfill import fill_batch
from tests.builders.earlier_release import database_of_revision
from tests.builders.events import paid, saved_payment
from tests.builders.two_companies import add_company, add_second_company
from tests.engines import scratch_database
from workers.runtime.company_backfill import backfill_company_ids

pytestmark = pytest.mark.slow

EARLIER_REVISION = "0020"
CLINIC_BY_COMPANY = {"company": "clinic", "other-company": "other-clinic"}


@pytest.fixture(scope="module")
def filled_database(postgres_url, ledger_template):
    """A current database with a closed month, exceptions, row versions, a conflict and an unreadable event."""
    with scratch_database(postgres_url, ledger_template) as url:
        engine = connect(url, application_name="tests")
        with transaction(engine) as tx:
            for office in (add_company(tx), add_second_company(tx)):
                ids = {"company_id": office.company_id, "clinic_id": office.clinic_id}
                office.publish(saved_payment(payment_id="may", **paid("70.00", "2020-05-05"), **ids))
                office.close_months("2020-05")
                office.publish(saved_payment(payment_id="may", version=2, **paid("60.00", "2020-05-05"), **ids))
                office.publish(saved_payment(payment_id="a", **paid("26.00", "2020-06-05"), **ids))
                office.publish(saved_payment(payment_id="a", version=2, **paid("27.00", "2020-06-05"), **ids))
                office.set_today(date(2020, 6, 11))
                office.acknowledge(office.open_exceptions()[0])
            office.publish(b"unreadable")
        engine.dispose()
        yield url


@pytest.fixture
def earlier_database(postgres_url, filled_database):
    with database_of_revision(postgres_url, EARLIER_REVISION, rows_of=filled_database) as url:
        yield url


@pytest.fixture
def open_engine_for(request):
    def open_engine(url):
        engine = connect(url, application_name="tests")
        request.addfinalizer(engine.dispose)
        return engine

    return open_engine


def run_query(url, statement):
    with psycopg.connect(libpq_url(url), autocommit=True) as connection:
        return connection.execute(statement).fetchall()


COMPANY_OF_ROWS_QUERY = """
SELECT 'findings', findings.id, findings.company_id, lines.company_id FROM findings JOIN lines ON lines.id = line_ref
UNION ALL SELECT 'findings_was', was.id, was.company_id, lines.company_id
    FROM findings_was AS was JOIN lines ON lines.id = line_ref
UNION ALL SELECT 'history', history.id, history.company_id, lines.company_id
    FROM history JOIN lines ON lines.id = line_ref
UNION ALL SELECT 'history', history.id, history.company_id, set_aside.company_id
    FROM history JOIN set_aside ON set_aside.id = set_aside_ref WHERE line_ref IS NULL
UNION ALL SELECT 'settings_changes', settings_changes.id, settings_changes.company_id, clinics.company_id
    FROM settings_changes JOIN clinics USING (clinic_id)
ORDER BY 1, 2
"""
MONTHS_QUERY = (
    "SELECT company_id, month, state, payments_total, snapshot::text, snapshot_hash FROM company_months ORDER BY 1, 2"
)
VERSION_COUNTS_QUERY = "SELECT (SELECT count(*) FROM findings_was), (SELECT count(*) FROM lines_was)"


def report_rows(engine):
    """Return the rows of the reports, both now and as of a time between two changes.

    The timelines omit exceptions, because an earlier release did not store them.
    """
    with transaction(engine) as tx:
        timelines = [
            [row._replace(exception=None) for row in reporting.timeline(tx, f"{clinic}/{payment}/1")]
            for clinic in CLINIC_BY_COMPANY.values()
            for payment in "a may".split()
        ]
        as_of = tx.execute(text("SELECT max(opened_at) FROM findings_was")).scalar_one()
        reported = [
            report
            for moment in (None, as_of)
            for report in (
                reporting.claims_feed(tx, FeedFilter(as_of=moment)),
                reporting.payment_log(tx, PaymentLogFilter(as_of=moment)),
                reporting.exceptions(tx, ExceptionFilter(status=None, as_of=moment)),
            )
        ]
        return repr([timelines, *map(list, reported)])


def test_upgrade_fills_the_company_and_changes_no_report(filled_database, earlier_database, open_engine_for):
    versions = run_query(earlier_database, VERSION_COUNTS_QUERY)
    upgrade(earlier_database)
    backfill_company_ids(open_engine_for(earlier_database), batch_rows=2)

    owners = run_query(earlier_database, COMPANY_OF_ROWS_QUERY)
    assert {table for table, *_ in owners} == {"findings", "findings_was", "history", "settings_changes"}
    assert [row for row in owners if row[2] != row[3]] == []
    assert run_query(earlier_database, VERSION_COUNTS_QUERY) == versions
    assert report_rows(open_engine_for(earlier_database)) == report_rows(open_engine_for(filled_database))


def test_backfill_leaves_the_months_unchanged(filled_database, earlier_database, open_engine_for):
    before = run_query(earlier_database, MONTHS_QUERY)
    upgrade(earlier_database)
    backfill_company_ids(open_engine_for(earlier_database))

    assert {state for _, _, state, *_ in before} == {"OPEN", "CLOSED"}
    assert run_query(earlier_database, MONTHS_QUERY) == before


def test_interrupted_backfill_resumes_after_the_last_batch(earlier_database, open_engine_for):
    upgrade(earlier_database)
    engine = open_engine_for(earlier_database)
    for done in (2, 4):
        with transaction(engine) as tx:
            assert fill_batch(tx, "history", 2).done == done
    with transaction(engine) as tx:
        tx.execute(text("UPDATE history SET company_id = NULL"))

    backfill_company_ids(engine)

    unfilled = "SELECT count(*) FROM history WHERE company_id IS NULL AND line_ref IS NOT NULL"
    assert run_query(earlier_database, unfilled) == [(4,)]
    counted = run_query(earlier_database, "SELECT table_name, finished FROM backfills ORDER BY 1")
    assert counted == [(table, True) for table in sorted(backfill.BACKFILLED_TABLES)]


def test_rows_of_processes_of_the_previous_release_get_their_company(earlier_database):
    upgrade(earlier_database)
    with psycopg.connect(libpq_url(earlier_database), autocommit=True) as connection:
        (line_ref,) = connection.execute("SELECT id FROM lines WHERE clinic_id = 'other-clinic' LIMIT 1").fetchone()
        connection.execute(
            "INSERT INTO findings (line_ref, version, reason, amount_before, amount_now, proposal, note, status, "
            "opened_at) VALUES (%s, 9, 'Amount Due is 0.00', 0, 1, '[]', '', 'acknowledged', now())",
            [line_ref],
        )
        connection.execute(
            "INSERT INTO history (at, what, line_ref, detail, who) VALUES (now(), 'held', %s, '', 'old')", [line_ref]
        )
        connection.execute(
            "INSERT INTO clinic_settings (clinic_id, since, integration, charge_types, set_by) "
            "VALUES ('other-clinic', now(), true, '{}', 'old')"
        )

    assert run_query(earlier_database, "SELECT company_id FROM findings WHERE version = 9") == [("other-company",)]
    assert run_query(earlier_database, "SELECT company_id FROM history WHERE who = 'old'") == [("other-company",)]
    assert run_query(earlier_database, "SELECT company_id FROM settings_changes WHERE set_by = 'old'") == [
        ("other-company",)
    ]


def test_settings_of_current_processes_reach_those_of_the_previous_release(earlier_database):
    upgrade(earlier_database)
    with psycopg.connect(libpq_url(earlier_database), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO settings_changes (company_id, clinic_id, since, integration, charge_types, set_by) "
            "VALUES ('other-company', 'other-clinic', now(), true, '{}', 'new')"
        )

    assert run_query(earlier_database, "SELECT clinic_id FROM clinic_settings WHERE set_by = 'new'") == [
        ("other-clinic",)
    ]
    assert run_query(earlier_database, "SELECT count(*) FROM settings_changes WHERE set_by = 'new'") == [(1,)]
