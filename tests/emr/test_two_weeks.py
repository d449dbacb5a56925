"""EMR and Billing balance over two weeks with every kind of difference."""

from collections.abc import Iterator
from datetime import date, timedelta
from itertools import product

import pytest

from emr.payment_log import read_payment_log
from payments.contract.event import Method
from payments.contract.money import ZERO, dollars
from payments.core.balancing import Balance, ReconcilingItem
from payments.core.manual_entry import EntryDraft, EntryPurpose
from payments.core.month import Month
from payments.core.scope import Scope
from payments.journeys import adjusting, balancing, closing, manual_entries, reporting
from payments.journeys.balancing import BalanceFilter
from payments.journeys.manual_entries import EntryRequest, LinkTarget
from payments.journeys.reporting import ExceptionFilter
from payments.store.db.connection import Database, Transaction
from tests.builders.events import event_body, next_version, payment_fields, saved_patient, saved_payment
from tests.emr.two_weeks import (
    AFTERWARDS,
    FIRST_CLINIC_IDS,
    FIRST_DAY,
    HALFWAY,
    WHOLE_BALANCE_FILTER,
    configure_clinics,
    import_and_detect,
    payment_log_after,
    simulated_events,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def fortnight(database: Database) -> Iterator[Transaction]:
    """A ledger with two weeks of five clinics. Midway, two months were closed. Half of the exceptions were accepted."""
    with database.connect() as tx:
        companies = configure_clinics(tx)
        early = [each.event for each in simulated_events() if each.arrives_at < HALFWAY]
        late = [each.event for each in simulated_events() if each.arrives_at >= HALFWAY]
        moved = saved_payment(payment_id="moved", transaction_date="2026-09-30", **FIRST_CLINIC_IDS)
        odd = [
            event_body(
                payment_fields(
                    payment_id="gift card", method="Gift card", transaction_date="2026-09-30", **FIRST_CLINIC_IDS
                )
            ),
            saved_payment(payment_id="free", amount_due="0.00", transaction_date="2026-10-01", **FIRST_CLINIC_IDS),
        ]
        import_and_detect(tx, [*early, *odd, saved_patient(company_id="company-1"), moved], HALFWAY)
        for company, month in product(companies, (Month(2026, 8), Month(2026, 9))):
            closing.begin_close(tx, company, month, HALFWAY, "user:biller")
            closing.finish_close(tx, company, month, HALFWAY)
        after = [
            saved_payment(payment_id=each, transaction_date="2026-09-29", **FIRST_CLINIC_IDS)
            for each in ("settled", "open", "posted by hand")
        ]
        import_and_detect(tx, [*late, *after, next_version(moved, transaction_date="2026-10-09")], AFTERWARDS)
        excepted = {row.payment: row.id for row in reporting.exceptions(tx, ExceptionFilter()) if row.difference}
        exception_by_hand = excepted.pop("clinic-001/posted by hand/1")
        for payment in {"clinic-001/settled/1", *sorted(excepted)[::2]} - {"clinic-001/free/1", "clinic-001/open/1"}:
            adjusting.accept(tx, excepted[payment], None, AFTERWARDS, "user:biller")
        by_hand = EntryDraft(purpose=EntryPurpose.PAYMENT, amount=dollars("10.00"), method=Method.CASH)
        request = EntryRequest("1", by_hand, LinkTarget(finding_id=exception_by_hand))
        manual_entries.post(tx, request, AFTERWARDS, "user:biller")
        yield tx
        tx.rollback()


@pytest.mark.slow
def test_two_weeks_with_every_difference_balance(fortnight: Transaction) -> None:
    balance = balancing.balance(fortnight, BalanceFilter(FIRST_DAY, date(2026, 10, 7)))

    assert [balance.unexplained, *balance.unbalanced_lines] == [ZERO]
    assert [term for term in ReconcilingItem if not balance.items[term]] == []
    assert balance.equal > 500


@pytest.mark.slow
def test_two_weeks_balance_by_clinic_and_by_day(fortnight: Transaction) -> None:
    whole, sums = balancing.balance(fortnight, WHOLE_BALANCE_FILTER), Balance()
    for number in range(70):
        day = FIRST_DAY - timedelta(days=50) + timedelta(days=number)
        for clinic, balance in balancing.balance_clinics(fortnight, BalanceFilter(day, day)).items():
            assert (clinic, day, balance.unexplained, balance.unexplained_count) == (clinic, day, ZERO, 0)
            sums.emr_total += balance.emr_total
            sums.billing_total += balance.billing_total
    assert (sums.emr_total, sums.billing_total) == (whole.emr_total, whole.billing_total)


def test_payment_log_matches_the_feed_when_nothing_was_lost(fortnight: Transaction) -> None:
    week = BalanceFilter(FIRST_DAY, FIRST_DAY + timedelta(days=6), Scope.of_clinics("clinic-002"))
    fed = balancing.balance(fortnight, week)

    logged = balancing.balance(
        fortnight, week, read_payment_log(payment_log_after([each.event for each in simulated_events()]))
    )

    assert (logged.emr_total, logged.items, logged.unexplained) == (fed.emr_total, fed.items, ZERO)
    assert [line.payment for line in logged.lines] == [line.payment for line in fed.lines]
