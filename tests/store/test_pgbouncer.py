"""Billing with PgBouncer in transaction mode: each transaction may get another session of PostgreSQL."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from config.database_urls import libpq_url, normalize_database_url
from config.settings import SettingsError, read_settings
from devstack.engines import embedded_postgres
from payments.core.scope import Scope
from payments.journeys import importing, reporting
from payments.journeys.reporting import FeedFilter
from payments.store.db.connection import connect, snapshot_transaction, transaction
from payments.store.db.isolation import Access, connect_isolated, with_access
from payments.store.db.statement import text
from payments.store.migrations import upgrade
from tasks.engine_check import require_database, require_isolation
from tests.acceptance.stack import clean_environment
from tests.builders.committed import CommittedLedger
from tests.builders.events import run_context, saved_charge, saved_patient, saved_payment, stream_entries
from tests.builders.pgbouncer import is_installed, pgbouncer
from workers.runtime.config_errors import EXIT_MISCONFIGURED

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not is_installed(), reason="PgBouncer is not installed (apt-get install pgbouncer)"),
]

IMPORTERS, CHUNKS = 4, 10
SESSION_STATE_QUERY = """
SELECT (SELECT count(*) FROM pg_prepared_statements) AS prepared,
    (SELECT count(*) FROM pg_class WHERE relpersistence = 't') AS temporary,
    (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory') AS locks,
    current_setting('lock_timeout'), current_setting('enable_seqscan'), current_setting('jit'), current_user
"""


@pytest.fixture(scope="module")
def postgres(tmp_path_factory):
    with embedded_postgres(tmp_path_factory.mktemp("postgres")) as url:
        upgrade(url)
        yield url


@pytest.fixture(scope="module")
def pooler_url(postgres, tmp_path_factory):
    with pgbouncer(postgres, tmp_path_factory.mktemp("pgbouncer")) as url:
        yield normalize_database_url(url)


@pytest.fixture
def importer(pooler_url):
    """An engine with the options of an importer."""
    engine = connect(
        pooler_url,
        application_name="importer",
        pool_size=IMPORTERS,
        idle_in_transaction_seconds=12,
        allow_seqscan=False,
    )
    yield engine
    engine.dispose()


def test_settings_of_a_process_apply_in_its_transactions_only(importer, pooler_url):
    names = ("lock_timeout", "timezone", "jit", "enable_seqscan", "idle_in_transaction_session_timeout")
    with transaction(importer) as tx:
        visible_companies = [tx.execute(text(f"SHOW {name}")).scalar_one() for name in names]

    assert visible_companies == ["15s", "UTC", "off", "off", "12s"]
    with psycopg.connect(libpq_url(pooler_url), prepare_threshold=None) as other:
        assert other.execute(SESSION_STATE_QUERY).fetchone() == (0, 0, 0, "0", "on", "on", "postgres")


def test_imports_and_reports_of_concurrent_clients_leave_nothing_in_the_sessions(importer, pooler_url):
    CommittedLedger(importer).set_clinic("pooled")

    def import_chunks(number):
        for chunk in range(CHUNKS):  # the driver would prepare a statement after five executions
            names = {"clinic_id": "pooled", "patient_id": f"patient-{number}"}
            events = [
                saved_patient(f"patient-{number}"),
                saved_payment(payment_id=f"{number}-{chunk}", **names),
                saved_charge(f"{number}-{chunk}", "40.00", **names),
            ]
            with transaction(importer) as tx:
                importing.import_events(tx, stream_entries(events), run_context())

    with ThreadPoolExecutor(IMPORTERS) as pool:
        list(pool.map(import_chunks, range(IMPORTERS)))
    with snapshot_transaction(importer) as tx:
        rows = list(reporting.claims_feed(tx, FeedFilter(scope=Scope.of_clinics("pooled"))))

    assert {row.status for row in rows} == {"Transmission Successful"}
    assert len(rows) == IMPORTERS * CHUNKS
    with psycopg.connect(libpq_url(pooler_url), prepare_threshold=None) as other:
        assert other.execute(SESSION_STATE_QUERY).fetchone() == (0, 0, 0, "0", "on", "on", "postgres")


def test_console_sees_only_the_companies_of_each_transaction(importer, pooler_url):
    ledger = CommittedLedger(importer)
    for company_id in ("one", "two"):
        ledger.set_clinic(f"clinic-{company_id}", company_id=company_id)
    console = connect_isolated(pooler_url, application_name="console", pool_size=2)

    def visible_companies(*companies):
        with transaction(with_access(console, Access(frozenset(companies)))) as tx:
            return set(tx.execute(text("SELECT company_id FROM companies")).scalars())

    assert [
        visible_companies("one"),
        visible_companies("two"),
        visible_companies(),
        visible_companies("one", "two"),
    ] == [{"one"}, {"two"}, set(), {"one", "two"}]
    console.dispose()


def test_services_accept_pgbouncer_at_their_start(pooler_url):
    settings = read_settings({"DATABASE_URL": pooler_url})

    require_database(settings, settings.database_url)
    require_isolation(settings, settings.database_url)


@pytest.mark.parametrize("ignored", ["extra_float_digits", "extra_float_digits,options"])
def test_pgbouncer_that_the_url_does_not_name_is_refused_at_the_start(postgres, tmp_path, ignored):
    with pgbouncer(postgres, tmp_path, ignored) as url:
        unnamed = normalize_database_url(libpq_url(url))
        with pytest.raises(SettingsError, match="behind PgBouncer, add pgbouncer=true to the URL"):
            require_database(read_settings({"DATABASE_URL": unnamed}), unnamed)


def test_migrations_through_pgbouncer_are_refused(pooler_url):
    environment = clean_environment() | {"DATABASE_URL": pooler_url}
    command = [sys.executable, "-m", "workers.migrate"]
    ended = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)

    (line,) = ended.stderr.splitlines()
    assert ended.returncode == EXIT_MISCONFIGURED
    assert line.startswith("migrate: DATABASE_URL: migrations do not run through PgBouncer")
