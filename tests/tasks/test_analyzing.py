"""Tables are analyzed after a bulk load, even if autovacuum is off."""

from collections.abc import Iterator

import pytest
from sqlalchemy import text

from payments.store.db.connection import Database, connect, transaction
from tasks.table_by_table import analyze_stale_tables
from tests.engines import scratch_database

pytestmark = pytest.mark.slow

INSERT_PATIENTS = (
    "INSERT INTO patients (company_id, patient_id, known_at, version) "
    "SELECT :company, 'patient-' || number, now(), 1 FROM generate_series(1, :rows) AS number"
)


@pytest.fixture
def database(postgres_url: str, ledger_template: str) -> Iterator[Database]:
    """An empty ledger whose table `patients` is excluded from autovacuum."""
    with scratch_database(postgres_url, ledger_template) as url:
        opened = connect(url, application_name="tests")
        with transaction(opened) as tx:
            tx.execute(text("ALTER TABLE patients SET (autovacuum_enabled = false)"))
        yield opened
        opened.dispose()


def bulk_load(database: Database, company: str, rows: int) -> None:
    with transaction(database) as tx:
        tx.execute(text(INSERT_PATIENTS), {"company": company, "rows": rows})
        tx.execute(text("SELECT pg_stat_force_next_flush()"))


def companies_by_statistics(database: Database) -> int:
    """Return the number of distinct companies of `patients` according to the planner's statistics."""
    query = "SELECT n_distinct FROM pg_stats WHERE tablename = 'patients' AND attname = 'company_id'"
    with transaction(database) as tx:
        return int(tx.execute(text(query)).scalar() or 0)


def test_tables_are_analyzed_after_each_bulk_load(database: Database) -> None:
    assert analyze_stale_tables(database) == []

    bulk_load(database, "a", 30_000)
    assert analyze_stale_tables(database) == ["patients"]
    assert companies_by_statistics(database) == 1

    bulk_load(database, "b", 5_000)
    assert analyze_stale_tables(database) == []

    bulk_load(database, "c", 30_000)
    assert analyze_stale_tables(database) == ["patients"]
    assert companies_by_statistics(database) == 3


def test_restored_table_without_statistics_is_analyzed(database: Database) -> None:
    bulk_load(database, "a", 30_000)
    with transaction(database) as tx:
        # As after a restore or a crash: rows, but no count of changes.
        tx.execute(text("SELECT pg_stat_reset()"))

    assert analyze_stale_tables(database) == ["patients"]
    assert analyze_stale_tables(database) == []
