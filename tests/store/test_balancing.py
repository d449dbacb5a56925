"""The balancing query reads only rows of the requested dates, even if the tables are large."""

from collections.abc import Iterator
from datetime import date

import pytest
from sqlalchemy import text

from payments.core.scope import EVERYTHING
from payments.journeys import balancing
from payments.journeys.balancing import BalanceFilter
from payments.store.db.connection import Database, Transaction, connect, snapshot_transaction, transaction
from tests.builders.events import event_body, payment_fields
from tests.builders.office import Office
from tests.engines import scratch_database

DAY = date(2026, 6, 5)
_FILL_STATEMENTS = (
    """
    INSERT INTO lines (clinic_id, payment_id, line_id, company_id, patient_id, version, deleted, saved_at, saved_on,
        content_hash, charge_type, amount_due, amount_paid, paid, internal_payment, method, transaction_date,
        status, application, target, detail, attempts, waits)
    SELECT 'clinic-' || number % 4, 'stored-' || number, '1', 'company', 'patient', 1, false, now(), now(), '',
        'Copay', 12.00, 12.00, true, false, 'Cash', DATE '2020-01-01' + number % 1000, 'Transmission Successful',
        'imported', 12.00, '', 1, 0
    FROM generate_series(1, 20000) AS number
    """,
    """
    INSERT INTO entries (line_ref, version, part, kind, amount, company_id, clinic_id, patient_id, charge_type, method,
        deposit_date, posting_date, posted_at, entered_by)
    SELECT id, 1, 1, 'import', amount_paid, company_id, clinic_id, patient_id, charge_type, method, transaction_date,
        transaction_date, now(), 'test' FROM lines
    """,
    "ANALYZE lines, entries",
)


def count_scanned_rows(tx: Transaction) -> int:
    """Return how many rows this transaction has read so far by sequential scans."""
    return count_read_rows(tx, "seq_tup_read")


def count_read_rows(tx: Transaction, scans: str = "seq_tup_read + idx_tup_fetch") -> int:
    """Return how many lines, entries and dead letters this transaction has read so far. `scans` names the counters."""
    tables = "relname IN ('lines', 'entries', 'set_aside')"
    return int(tx.execute(text(f"SELECT sum({scans}) FROM pg_stat_xact_user_tables WHERE {tables}")).scalar_one())


@pytest.fixture(scope="module")
def filled_database(postgres_url: str, ledger_template: str) -> Iterator[Database]:
    """A separate database with 20,000 payments, and with four events on two other dates."""
    with scratch_database(postgres_url, ledger_template) as url:
        database = connect(url, application_name="tests", pool_size=1)
        with transaction(database) as tx:
            for statement in _FILL_STATEMENTS:
                tx.execute(text(statement))
            office = Office(tx, date(2026, 6, 10))
            moved = event_body(payment_fields(payment_id="moved", transaction_date="2026-06-04"))
            office.publish(
                event_body(payment_fields()),
                event_body(payment_fields(payment_id="internal", internal_payment=True, transaction_date="2026-06-04")),
                moved,
                event_body(payment_fields(payment_id="moved", version=2, method="Gift card")),
            )
        yield database
        database.dispose()


@pytest.mark.slow
@pytest.mark.parametrize("clinic_id", [None, "clinic"])
def test_balance_of_a_day_reads_few_rows_and_scans_no_table(filled_database: Database, clinic_id: str | None) -> None:
    with transaction(filled_database) as tx:
        before = count_scanned_rows(tx)

        balance = balancing.balance(tx, BalanceFilter(DAY, DAY, EVERYTHING.narrowed_to_clinic(clinic_id)))

        assert (str(balance.emr_total), str(balance.billing_total), balance.unbalanced_lines) == (
            "50.00",
            "25.00",
            [],
        )
        assert count_scanned_rows(tx) - before < 100  # of the dead letters, which are few


@pytest.mark.slow
def test_lines_of_a_balance_are_yielded_before_the_whole_ledger_is_read(filled_database: Database) -> None:
    with snapshot_transaction(filled_database) as tx:
        before = count_read_rows(tx)
        lines = balancing.differing_lines(tx, BalanceFilter())

        assert next(lines).payment == "clinic/internal/1"
        assert count_read_rows(tx) - before < 10_000
        assert [*lines] == []
        assert count_read_rows(tx) - before > 40_000
