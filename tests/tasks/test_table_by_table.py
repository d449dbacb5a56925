"""Partitions are created table by table, so a long report delays one table only, and imports continue."""

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from payments.journeys import retention
from payments.journeys.retention import Retention
from payments.store.db.connection import Database, Transaction, connect, snapshot_transaction, transaction
from tasks.table_by_table import ChangeResult, change_tables
from tests.builders.events import deleted_payment, saved_payment
from tests.builders.ledger import create_clinic, import_chunk
from tests.engines import scratch_database

pytestmark = pytest.mark.slow

TODAY = date(2026, 6, 10)
LATER_DAY = date(2026, 9, 10)


@pytest.fixture
def ledger(postgres_url: str, ledger_template: str) -> Iterator[Database]:
    """A ledger with a clinic and the partitions of June, in a separate database."""
    with scratch_database(postgres_url, ledger_template) as url:
        database = connect(url, application_name="tests", pool_size=4)
        with transaction(database) as tx:
            create_clinic(tx)
        change_tables(database, create_partitions_for(TODAY))
        yield database
        database.dispose()


def create_partitions_for(today: date):
    return lambda tx, table: retention.create_partitions(tx, table, today)


def partition_months(tx: Transaction, table: str) -> list[str]:
    names = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = CAST(:table AS regclass) ORDER BY 1"
    return [name[-7:] for name in tx.execute(text(names), {"table": table}).scalars() if name[-7:-3].isdigit()]


@pytest.mark.parametrize("table", retention.PARTITIONED_TABLES)
def test_reader_of_one_table_delays_neither_imports_nor_other_tables(ledger: Database, table: str) -> None:
    with snapshot_transaction(ledger) as reader:
        reader.execute(text(f"SELECT count(*) FROM {table}"))
        changed = change_tables(ledger, create_partitions_for(LATER_DAY))
        with transaction(ledger) as tx:
            tx.execute(text("SET LOCAL lock_timeout = '1ms'"))
            import_chunk(tx, saved_payment("25.00"))
            import_chunk(tx, deleted_payment(version=2))

    assert changed == ChangeResult(3 * (len(retention.PARTITIONED_TABLES) - 1), [table])
    assert change_tables(ledger, create_partitions_for(LATER_DAY)) == ChangeResult(3, [])
    with transaction(ledger) as tx:
        assert {tuple(partition_months(tx, each)[-3:]) for each in retention.PARTITIONED_TABLES} == {
            ("2026_10", "2026_11", "2026_12")
        }


def test_import_in_progress_does_not_keep_partitions_from_being_created(ledger: Database) -> None:
    with transaction(ledger) as tx:
        import_chunk(tx, saved_payment("25.00"))
        import_chunk(tx, deleted_payment(version=2))
        assert change_tables(ledger, create_partitions_for(LATER_DAY)) == ChangeResult(
            3 * len(retention.PARTITIONED_TABLES), []
        )


def test_blocked_table_is_tried_again_in_the_next_pass(ledger: Database) -> None:
    attempts = []
    with ledger.connect() as reader:
        reader.execute(text("SELECT count(*) FROM history"))

        def create(tx: Transaction, table: str) -> int:
            attempts.append(table)
            if attempts.count("history") == 2:
                reader.rollback()
            return retention.create_partitions(tx, table, LATER_DAY)

        assert change_tables(ledger, create, passes=3) == ChangeResult(3 * len(retention.PARTITIONED_TABLES), [])
    assert attempts == [*retention.PARTITIONED_TABLES, "history"]


def test_table_that_fails_stops_no_other_table_and_its_error_is_raised(ledger: Database) -> None:
    changed = []

    def change(_tx: Transaction, table: str) -> int:
        if table == "history":
            raise LookupError(table)
        changed.append(table)
        return 1

    with capture_logs() as log, pytest.raises(LookupError, match="history"):
        change_tables(ledger, change)

    assert changed == [each for each in retention.PARTITIONED_TABLES if each != "history"]
    assert [(each["event"], each["table"]) for each in log] == [("table_failed", "history")]


def test_expired_months_of_other_tables_are_dropped_while_one_is_read(ledger: Database) -> None:
    change_tables(ledger, create_partitions_for(date(2027, 9, 1)))
    kept = Retention(events=2, history=12, audit=12)
    with ledger.connect() as reader:
        reader.execute(text("SELECT count(*) FROM audit"))
        dropped = change_tables(ledger, lambda tx, table: retention.drop_expired(tx, table, date(2027, 9, 1), kept))

    assert dropped.blocked == ["audit"]
    with transaction(ledger) as tx:
        assert (partition_months(tx, "events")[0], partition_months(tx, "history")[0]) == ("2027_07", "2026_09")
        assert partition_months(tx, "audit")[0] == "2026_05"
