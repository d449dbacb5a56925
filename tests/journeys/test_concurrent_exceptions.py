"""Exceptions of a closed month while sweeps, users and imports run concurrently, with real commits."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from uuid import uuid4

import pytest
from sqlalchemy import text

from payments.contract.event import PaymentSaved
from payments.core.finding import DecisionError
from payments.journeys import adjusting, detecting, reporting
from payments.journeys.reporting import ExceptionFilter, ExceptionRow
from payments.store.db.connection import Database, transaction
from tests.builders.committed import CommittedLedger
from tests.builders.events import deleted_payment, paid, saved_payment
from tests.builders.office import Office
from tests.journeys.test_concurrent_workers import run_concurrently

pytestmark = pytest.mark.slow

LINES, SWEEPS, ROUNDS = 60, 3, 8
NOW = datetime(2020, 6, 12, 12, tzinfo=UTC)


class ClosedAprilLedger(CommittedLedger):
    """A ledger with a new company that has payments of 25.00 in a closed April. All methods commit."""

    def __init__(self, database: Database, number: int) -> None:
        super().__init__(database, NOW)
        self.company = f"april-{uuid4()}"
        self.ids = {"company_id": self.company, "clinic_id": self.company}
        with transaction(database) as tx:
            office = Office(tx, date(2020, 4, 30), self.company, self.company)
            office.publish(
                *(saved_payment(payment_id=f"p{n}", **self.ids, **paid("25.00", "2020-04-08")) for n in range(number))
            )
            office.set_today(date(2020, 6, 10))
            office.close_months("2020-04")

    def version_of(self, name: str, amount: str, version: int) -> PaymentSaved:
        """Return a version of one of the payments."""
        return saved_payment(payment_id=name, version=version, **self.ids, **paid(amount, "2020-04-08"))

    def detect_all(self) -> None:
        """Detect exceptions until every line is checked. Locked lines are skipped."""
        for _ in count():
            with transaction(self.database) as tx:
                if not detecting.detect(tx, NOW, "tests-1", 7).examined:
                    return

    def exceptions(self, *, only_open: bool) -> list[ExceptionRow]:
        with transaction(self.database) as tx:
            exception_filter = ExceptionFilter() if only_open else ExceptionFilter(status=None)
            return [row for row in reporting.exceptions(tx, exception_filter) if row.company == self.company]

    def amounts(self) -> list[Decimal]:
        sums = text("SELECT amount FROM entries WHERE company_id = :company ORDER BY id")
        with transaction(self.database) as tx:
            return list(tx.execute(sums, {"company": self.company}).scalars())

    def accept(self, finding_id: int, who: str) -> int:
        """Accept an exception, and return the number of posted entries."""
        try:
            with transaction(self.database) as tx:
                return len(adjusting.accept(tx, finding_id, None, NOW, who).postings)
        except DecisionError as error:
            assert "was saved again" in str(error) or "is being re-evaluated" in str(error)  # noqa: PT017 (either is valid)
            return 0


@pytest.fixture
def create_ledger(shared_database: Database) -> Callable[[int], ClosedAprilLedger]:
    return lambda number: ClosedAprilLedger(shared_database, number)


@pytest.mark.slow
def test_concurrent_sweeps_keep_one_exception_a_line(create_ledger: Callable[[int], ClosedAprilLedger]) -> None:
    company = create_ledger(LINES)
    names = [f"p{number}" for number in range(LINES)]
    company.import_events(*(deleted_payment(payment_id=name, version=2, **company.ids) for name in names))

    run_concurrently(*[company.detect_all] * SWEEPS)
    company.detect_all()

    opened = company.exceptions(only_open=False)
    assert sorted(row.payment.split("/")[1] for row in opened) == sorted(names)
    company.import_events(
        *(
            saved_payment(payment_id=name, version=3, **company.ids, **paid("30.00", "2020-04-08"))
            for name in names[:30]
        )
    )
    company.import_events(
        *(
            saved_payment(payment_id=name, version=3, **company.ids, **paid("25.00", "2020-04-08"))
            for name in names[30:]
        )
    )

    run_concurrently(*[company.detect_all] * SWEEPS)
    company.detect_all()

    rows = company.exceptions(only_open=False)
    assert [row.id for row in rows] == [row.id for row in opened]
    ended = {row.payment.split("/")[1]: (row.status, row.version) for row in rows}
    assert ended == {name: ("open", 3) if n < 30 else ("auto_closed", 2) for n, name in enumerate(names)}


def test_concurrent_accepts_of_all_exceptions_post_each_once(create_ledger: Callable[[int], ClosedAprilLedger]) -> None:
    company = create_ledger(10)
    company.import_events(*(deleted_payment(payment_id=f"p{n}", version=2, **company.ids) for n in range(10)))
    company.detect_all()
    finding_ids = [row.id for row in company.exceptions(only_open=True)]

    def accept_all(who: str, order: Sequence[int]) -> int:
        return sum(company.accept(finding_id, who) for finding_id in order)

    posted = run_concurrently(
        lambda: accept_all("user:ann", finding_ids),
        lambda: accept_all("user:bob", finding_ids[::-1]),
        lambda: accept_all("company policy: auto", finding_ids),
    )

    assert sum(posted) == 10
    assert sorted(company.amounts()) == [Decimal(-25)] * 10 + [Decimal(25)] * 10
    assert company.exceptions(only_open=True) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", range(ROUNDS))
def test_accept_concurrent_with_a_newer_version_posts_before_it_or_nothing(
    create_ledger: Callable[[int], ClosedAprilLedger], number: int
) -> None:
    company = create_ledger(1)
    company.import_events(company.version_of("p0", "35.00", 2))
    company.detect_all()
    (found,) = company.exceptions(only_open=True)
    newer = company.version_of("p0", "45.00", 3)

    posted, *_ = run_concurrently(
        lambda: company.accept(found.id, "user:ann"), lambda: company.import_events(newer), company.detect_all
    )
    company.detect_all()

    (remaining,) = company.exceptions(only_open=True)
    assert (str(remaining.amount_before), str(remaining.amount_now)) == ("35.00" if posted else "25.00", "45.00")
    assert company.accept(remaining.id, "user:ann") == 1
    assert sum(company.amounts()) == 45
