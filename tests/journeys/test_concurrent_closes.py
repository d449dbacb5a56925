"""While months close, no concurrent import posts to a month up to the lock date (rule D7)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from uuid import uuid4

import pytest
from sqlalchemy import text

from payments.contract.event import PaymentSaved
from payments.core.month import Month
from payments.core.scope import Scope
from payments.journeys import closing, reporting
from payments.journeys.closing import ClosingError
from payments.store.db.connection import Database, Transaction, transaction
from payments.store.ledger import months
from tests.builders.events import paid, saved_payment
from tests.builders.ledger import import_chunk
from tests.builders.office import BILLER, Office
from tests.journeys.test_concurrent_workers import run_concurrently, wait_until_blocked

pytestmark = pytest.mark.slow

TODAY = date(2026, 10, 12)
SEPTEMBER = Month(2026, 9)


class NewCompany:
    """A company with one clinic. Its methods commit."""

    def __init__(self, database: Database, *months_with_rows: Month) -> None:
        self.database, self.id = database, f"lock-{uuid4().hex[:8]}"
        with transaction(database) as tx:
            self.now = Office(tx, TODAY, self.id, self.id).now
            months.share_lock(tx, {(self.id, month) for month in months_with_rows})

    def payment(self, day: str) -> PaymentSaved:
        return saved_payment(clinic_id=self.id, company_id=self.id, payment_id=day, **paid("25.00", day))

    def begin_close(self, month: Month = SEPTEMBER) -> None:
        with transaction(self.database) as tx:
            closing.begin_close(tx, self.id, month, self.now, BILLER)

    def close(self, month: Month = SEPTEMBER) -> None:
        self.begin_close(month)
        with transaction(self.database) as tx:
            closing.finish_close(tx, self.id, month, self.now)

    def statuses(self) -> list[str]:
        with transaction(self.database) as tx:
            return [
                row.status for row in reporting.claims_feed(tx, reporting.FeedFilter(scope=Scope.of_clinics(self.id)))
            ]


def backend_pid(tx: Transaction) -> int:
    return int(tx.execute(text("SELECT pg_backend_pid()")).scalar_one())


def write_entry(tx: Transaction, company: NewCompany, day: str) -> None:
    """Insert an entry without taking the month's lock explicitly."""
    tx.execute(
        text(
            "INSERT INTO entries (part, kind, amount, company_id, clinic_id, patient_id, charge_type, method, "
            "deposit_date, posting_date, posted_at, entered_by) VALUES (1, 'manual', 1, :company, :company, 'patient', "
            "'Copay', 'Cash', CAST(:day AS date), CAST(:day AS date), now(), 'user:biller')"
        ),
        {"company": company.id, "day": day},
    )


@pytest.mark.parametrize("has_row", [False, True], ids=["new month", "present month"])
@pytest.mark.parametrize("writer", ["import", "other"])
def test_close_waits_for_an_import_into_an_earlier_month(shared_database: Database, writer: str, has_row: bool) -> None:
    company = NewCompany(shared_database, *([Month(2025, 10)] if has_row else []))
    with ThreadPoolExecutor(1) as threads, shared_database.connect() as closer, shared_database.connect() as onlooker:
        pid = backend_pid(closer)
        with transaction(shared_database) as tx:
            if writer == "import":
                assert import_chunk(tx, company.payment("2025-10-03")).imported == 1
            else:
                write_entry(tx, company, "2025-10-03")
            closed = threads.submit(closing.begin_close, closer, company.id, SEPTEMBER, company.now, BILLER)
            wait_until_blocked(onlooker, pid)
        with pytest.raises(ClosingError, match="close 2025-10 first"):
            closed.result()


@pytest.mark.parametrize("has_row", [False, True], ids=["new month", "present month"])
def test_import_into_an_earlier_month_waits_for_the_close_and_is_held(shared_database: Database, has_row: bool) -> None:
    company = NewCompany(shared_database, *([Month(2025, 10)] if has_row else []))
    with ThreadPoolExecutor(1) as threads, shared_database.connect() as worker, shared_database.connect() as onlooker:
        pid = backend_pid(worker)
        with transaction(shared_database) as tx:
            closing.begin_close(tx, company.id, SEPTEMBER, company.now, BILLER)
            imported = threads.submit(import_chunk, worker, company.payment("2025-10-03"))
            wait_until_blocked(onlooker, pid)
        assert imported.result().held == 1


def test_concurrent_closes_of_a_company_run_one_after_the_other(shared_database: Database) -> None:
    company = NewCompany(shared_database)
    august = Month(2026, 8)
    with transaction(shared_database) as tx:
        import_chunk(tx, company.payment("2026-08-05"), company.payment("2026-09-05"))

    def close(month: Month) -> Callable[[], str]:
        def attempt() -> str:
            try:
                company.close(month)
            except ClosingError as error:
                return error.problem
            return "closed"

        return attempt

    results = run_concurrently(*(close(month) for month in [august, SEPTEMBER] * 3))

    assert results[::2].count("closed") == 1
    assert results[::2].count("it is closed already") == 2
    with transaction(shared_database) as tx:
        assert closing.verify(tx, company.id, august).matches


def test_imports_into_new_months_and_closes_do_not_deadlock(shared_database: Database) -> None:
    company = NewCompany(shared_database)
    rounds = 12

    def import_all() -> int:
        for number in range(rounds):
            with transaction(shared_database) as tx:
                import_chunk(tx, *(company.payment(f"{2010 + number}-{month:02}-05") for month in range(1, 13)))
        return 0

    def close_all() -> int:
        for number in range(rounds):
            company.close(Month(1990 + number, 1))
        return 0

    run_concurrently(import_all, close_all)

    assert company.statuses() == ["Transmission Successful"] * 12 * rounds
