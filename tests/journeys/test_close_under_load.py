"""Months close while workers import: the totals that are kept are those of the ledger, round after round."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from sqlalchemy import text

from payments.core.event import ChargeType
from payments.core.month import Month
from payments.journeys import adjusting, closing, configuring, detecting, importing
from payments.journeys.configuring import Wish
from payments.store import findings
from payments.store.session import Database, Transaction, connect, is_transient, transaction
from tests.conftest import scratch_database
from tests.make import arrived, body, deleted, patient, run, said, saved

ROUNDS, WORKERS, CHUNKS = 8, 3, 12
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
COMPANY, CLINIC = "load", "load-clinic"


@pytest.fixture(scope="module")
def clinic(postgres_url: str, empty_ledger: str) -> Iterator[Database]:
    """A clinic with a known patient, in a database of its own: what is committed here is nobody else's."""
    with scratch_database(postgres_url, empty_ledger) as url:
        database = connect(url, application_name="tests", pool_size=4)
        with transaction(database) as tx:
            wish = Wish(CLINIC, COMPANY, integration=True, charge_types=list(ChargeType))
            configuring.set_clinic(tx, wish, now=NOW, who="user:admin")
            importing.import_events(tx, arrived([patient(company_id=COMPANY)]), run(NOW))
        yield database
        database.dispose()


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_month_that_closes_while_workers_import_keeps_the_sum_of_its_entries(clinic: Database, number: int) -> None:
    month, under_way = Month(2026, number + 1), threading.Event()
    with ThreadPoolExecutor(WORKERS) as workers:
        imports = [workers.submit(import_chunks, clinic, month, worker, under_way) for worker in range(WORKERS)]
        under_way.wait()
        with transaction(clinic) as tx:
            closing.begin(tx, COMPANY, month, NOW, "user:biller")
        with transaction(clinic) as tx:
            kept = closing.finish(tx, COMPANY, month, NOW).payments_total
        paid = sum((each.result() for each in imports), Decimal(0))

    with transaction(clinic) as tx:
        assert closing.verify(tx, COMPANY, month).holds
        assert kept == posted(tx, month) > 0
        while importing.retry_due(tx, run(datetime(2026, 11, 21, tzinfo=UTC)), 500).judged:
            pass
        assert paid == posted(tx, month) + outside_of_billing(tx, month)


def test_two_people_who_accept_the_same_exception_at_once_post_it_once(clinic: Database) -> None:
    with transaction(clinic) as tx:
        line = {"company_id": COMPANY, "clinic_id": CLINIC, "transaction_date": f"2026-{ROUNDS + 1:02}-05"}
        importing.import_events(tx, arrived([saved("25.00", **line)]), run(NOW))
        closing.begin(tx, COMPANY, Month(2026, ROUNDS + 1), NOW, "user:biller")
        closing.finish(tx, COMPANY, Month(2026, ROUNDS + 1), NOW)
        importing.import_events(tx, arrived([deleted(company_id=COMPANY, clinic_id=CLINIC, version=2)]), run(NOW))
        detecting.detect(tx, NOW, "tests-1", 500)
        (found,) = (each for each in findings.rows(tx, only_open=True) if each.payment == f"{CLINIC}/payment/1")
    together = threading.Barrier(2)

    def accept(person: str) -> int:
        with transaction(clinic) as tx:
            together.wait()
            return len(adjusting.accept(tx, found.id, None, NOW, person).postings)

    with ThreadPoolExecutor(2) as people:
        assert sorted(people.map(accept, ["user:ann", "user:bob"])) == [0, 1]


def import_chunks(database: Database, month: Month, worker: int, under_way: threading.Event) -> Decimal:
    """Import chunks of payments of one month, and return the sum of what was sent."""
    total = Decimal(0)
    for chunk in range(CHUNKS):
        events = [
            body(
                said(
                    company_id=COMPANY,
                    clinic_id=CLINIC,
                    payment_id=f"{month}-{worker}-{chunk}-{number}",
                    transaction_date=f"{month}-05",
                )
            )
            for number in range(10)
        ]
        import_until_done(database, events)
        total += Decimal("25.00") * len(events)
        under_way.set()
    return total


def import_until_done(database: Database, events: list[bytes]) -> None:
    """Import one chunk, again after a fault that passes by itself."""
    while True:
        try:
            with transaction(database) as tx:
                importing.import_events(tx, arrived(events), run(NOW))
        except Exception as error:
            if not is_transient(error):
                raise
        else:
            return


def posted(tx: Transaction, month: Month) -> Decimal:
    """What the ledger holds for a month."""
    sums = (
        "SELECT coalesce(sum(amount), 0) FROM entries WHERE company_id = :company "
        "AND date_trunc('month', deposit_date) = :month"
    )
    return Decimal(tx.execute(text(sums), {"company": COMPANY, "month": month.first_day}).scalar_one())


def outside_of_billing(tx: Transaction, month: Month) -> Decimal:
    """What the EMR says for a month and the closed month did not take any more."""
    sums = (
        "SELECT coalesce(sum(amount_paid), 0) FROM lines WHERE company_id = :company "
        "AND date_trunc('month', transaction_date) = :month AND application = 'exception'"
    )
    return Decimal(tx.execute(text(sums), {"company": COMPANY, "month": month.first_day}).scalar_one())
