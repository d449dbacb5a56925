"""Months are closed while workers import, and the stored totals match the ledger."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from payments.contract.event import ChargeType
from payments.core.due_selection import DueSelection
from payments.core.month import Month
from payments.journeys import adjusting, closing, configuring, detecting, importing, reporting, retrying
from payments.journeys.configuring import SettingsUpdate
from payments.journeys.reporting import ExceptionFilter
from payments.store.db.connection import Database, Transaction, connect, is_transient, transaction
from tests.builders.events import (
    deleted_payment,
    event_body,
    payment_fields,
    run_context,
    saved_patient,
    saved_payment,
    stream_entries,
)
from tests.engines import scratch_database
from tests.examples import DEEP_EXAMPLES

pytestmark = pytest.mark.slow

ROUNDS, WORKERS = 20 if DEEP_EXAMPLES else 6, 3
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
COMPANY, CLINIC = "load", "load-clinic"
MONTHS = [Month(2024 + number // 12, number % 12 + 1) for number in range(ROUNDS + 2)]
INSERT_ENTRY = (
    "INSERT INTO entries (part, kind, amount, company_id, clinic_id, patient_id, charge_type, method, deposit_date, "
    "posting_date, posted_at, entered_by) VALUES (1, 'manual', 1, :company, :clinic, 'patient', 'Copay', 'Cash', :day, "
    ":day, :at, 'user:biller')"
)


@pytest.fixture(scope="module")
def clinic_database(postgres_url: str, ledger_template: str) -> Iterator[Database]:
    """A separate database with a clinic and a known patient."""
    with scratch_database(postgres_url, ledger_template) as url:
        database = connect(url, application_name="tests", pool_size=4)
        with transaction(database) as tx:
            update = SettingsUpdate(CLINIC, COMPANY, integration=True, charge_types=list(ChargeType))
            configuring.set_clinic(tx, update, now=NOW, who="user:admin")
            importing.import_events(tx, stream_entries([saved_patient(company_id=COMPANY)]), run_context(NOW))
        yield database
        database.dispose()


@pytest.mark.slow
@pytest.mark.parametrize("month", MONTHS[:ROUNDS], ids=str)
def test_month_closed_during_imports_stores_the_sum_of_its_entries(clinic_database: Database, month: Month) -> None:
    started, closed = threading.Barrier(WORKERS + 1, timeout=30), threading.Event()
    with ThreadPoolExecutor(WORKERS) as workers:
        imports = [
            workers.submit(import_chunks, clinic_database, f"{month}-{n}", started, closed) for n in range(WORKERS)
        ]
        started.wait()
        stored_total = close_month(clinic_database, month)
        closed.set()
        paid = sum((each.result() for each in imports), Decimal(0))

    with transaction(clinic_database) as tx:
        assert closing.verify(tx, COMPANY, month).matches
        assert stored_total == posted_total(tx, month)
        while retrying.retry_due(tx, run_context(datetime(2026, 11, 21, tzinfo=UTC)), DueSelection(500)).evaluated:
            pass
        assert stored_total == posted_total(tx, month) > 0
        assert exception_total(tx, month) == paid - stored_total > 0


def test_writer_ignoring_month_locks_is_in_the_total_or_rejected(clinic_database: Database) -> None:
    month, started, closed = MONTHS[ROUNDS], threading.Barrier(WORKERS + 1, timeout=30), threading.Event()
    with ThreadPoolExecutor(WORKERS) as writers:
        results = [writers.submit(write_entries, clinic_database, month, started, closed) for _ in range(WORKERS)]
        started.wait()
        stored_total = close_month(clinic_database, month)
        closed.set()
        added, refused = (sum(counts) for counts in zip(*(each.result() for each in results), strict=True))

    assert refused >= WORKERS
    with transaction(clinic_database) as tx:
        assert stored_total == posted_total(tx, month) == added
        assert closing.verify(tx, COMPANY, month).matches


def test_two_concurrent_accepts_of_an_exception_post_once(clinic_database: Database) -> None:
    month = MONTHS[ROUNDS + 1]
    line = {"company_id": COMPANY, "clinic_id": CLINIC}
    with transaction(clinic_database) as tx:
        importing.import_events(
            tx, stream_entries([saved_payment("25.00", transaction_date=f"{month}-05", **line)]), run_context(NOW)
        )
    close_month(clinic_database, month)
    with transaction(clinic_database) as tx:
        importing.import_events(tx, stream_entries([deleted_payment(version=2, **line)]), run_context(NOW))
        while detecting.detect(tx, NOW, "tests-1", 500).examined:  # includes exceptions of earlier tests
            pass
        (found,) = (
            each for each in reporting.exceptions(tx, ExceptionFilter()) if each.payment == f"{CLINIC}/payment/1"
        )
    together = threading.Barrier(2)

    def accept(person: str) -> int:
        with transaction(clinic_database) as tx:
            together.wait()
            return len(adjusting.accept(tx, found.id, None, NOW, person).postings)

    with ThreadPoolExecutor(2) as people:
        assert sorted(people.map(accept, ["user:ann", "user:bob"])) == [0, 1]
    with transaction(clinic_database) as tx:
        amounts = text(
            "SELECT amount::text FROM entries JOIN lines ON lines.id = line_ref WHERE payment_id = 'payment'"
        )
        assert sorted(tx.execute(amounts).scalars()) == ["-25.00", "25.00"]


def close_month(database: Database, month: Month) -> Decimal:
    """Begin and finish a close in two transactions, and return the stored total of the month."""
    with transaction(database) as tx:
        closing.begin_close(tx, COMPANY, month, NOW, "user:biller")
    with transaction(database) as tx:
        return closing.finish_close(tx, COMPANY, month, NOW).payments_total


def import_chunks(database: Database, name: str, started: threading.Barrier, closed: threading.Event) -> Decimal:
    """Import chunks of a month's payments until `closed` is set, and then one more chunk.

    Return the sum of all amounts.
    """
    total, day = Decimal(0), f"{name[:7]}-05"
    for chunk in count():
        is_last = closed.is_set()
        line = {"company_id": COMPANY, "clinic_id": CLINIC, "transaction_date": day}
        events = [event_body(payment_fields(payment_id=f"{name}-{chunk}-{number}", **line)) for number in range(10)]
        import_until_done(database, events)
        total += Decimal("25.00") * len(events)
        if is_last:
            return total
        if chunk == 0:
            started.wait()
    raise AssertionError


def write_entries(
    database: Database, month: Month, started: threading.Barrier, closed: threading.Event
) -> tuple[int, int]:
    """Insert entries of 1.00 until `closed` is set, and then one more. Return (inserted count, rejected count)."""
    counts = [0, 0]
    for number in count():
        is_last = closed.is_set()
        try:
            with transaction(database) as tx:
                tx.execute(
                    text(INSERT_ENTRY), {"company": COMPANY, "clinic": CLINIC, "day": month.first_day, "at": NOW}
                )
                tx.execute(text("SELECT pg_sleep(0.01)"))  # delay the commit, so that a close could miss the entry
        except DBAPIError as error:
            if "the month is closed" not in str(error):
                raise
            counts[1] += 1
        else:
            counts[0] += 1
        if is_last:
            break
        if number == 0:
            started.wait()
    return counts[0], counts[1]


def import_until_done(database: Database, events: list[bytes]) -> None:
    """Import one chunk. Retry it after a transient error."""
    while True:
        try:
            with transaction(database) as tx:
                importing.import_events(tx, stream_entries(events), run_context(NOW))
        except Exception as error:
            if not is_transient(error):
                raise
        else:
            return


def posted_total(tx: Transaction, month: Month) -> Decimal:
    """Return the sum of the ledger entries of a month."""
    sums = (
        "SELECT coalesce(sum(amount), 0) FROM entries WHERE company_id = :company "
        "AND date_trunc('month', deposit_date) = :month"
    )
    return Decimal(tx.execute(text(sums), {"company": COMPANY, "month": month.first_day}).scalar_one())


def exception_total(tx: Transaction, month: Month) -> Decimal:
    """Return the sum of the EMR's payments that became exceptions because the month was closed."""
    sums = (
        "SELECT coalesce(sum(amount_paid), 0) FROM lines WHERE company_id = :company "
        "AND date_trunc('month', transaction_date) = :month AND application = 'exception'"
    )
    return Decimal(tx.execute(text(sums), {"company": COMPANY, "month": month.first_day}).scalar_one())
