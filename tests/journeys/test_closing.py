"""Closing a month: rejected closes, warnings and stored totals (rule D7)."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from sqlalchemy import text

from payments.core.month import Month, MonthState
from payments.journeys import adjusting, closing, configuring, reporting
from payments.journeys.closing import ClosingError
from payments.journeys.configuring import CompanyUpdate
from payments.journeys.reporting import PaymentLogFilter
from payments.store.db.connection import Transaction
from tests.builders.events import deleted_payment, next_version, paid, saved_payment
from tests.builders.ledger import set_month_state
from tests.builders.office import BILLER, Office

APRIL, MAY, JUNE = Month(2026, 4), Month(2026, 5), Month(2026, 6)
TODAY = date(2026, 6, 20)


def month_states(office: Office) -> dict[str, MonthState]:
    return {row.month: row.state for row in closing.list_months(office.tx, office.company_id)}


def test_close_preview_changes_nothing(tx: Transaction) -> None:
    office = Office(tx, TODAY)

    assert closing.preview_close(tx, "company", MAY, office.now)[0].payments_total == 0

    assert month_states(office) == {}


@pytest.mark.parametrize("company_id", ["compny", "company ", "Company", " company", ""])
@pytest.mark.parametrize("action", [closing.schedule, closing.begin_close])
def test_month_of_a_company_that_billing_does_not_have_is_not_closed(
    tx: Transaction, action: Callable[[Transaction, str, Month, datetime, str], object], company_id: str
) -> None:
    office = Office(tx, TODAY)

    with pytest.raises(ClosingError, match="Billing has no company with this id"):
        action(tx, company_id, MAY, office.now, BILLER)
    with pytest.raises(ClosingError, match="Billing has no company with this id"):
        closing.preview_close(tx, company_id, MAY, office.now)


@pytest.mark.parametrize(
    ("timezone", "moment", "has_ended"),
    [
        ("America/Denver", "2026-06-01T05:59:59+00:00", False),  # 23:59:59 on May 31
        ("America/Denver", "2026-06-01T06:00:00+00:00", True),
        ("Pacific/Auckland", "2026-05-31T11:59:59+00:00", False),
        ("Pacific/Auckland", "2026-05-31T12:00:00+00:00", True),
        ("UTC", "2026-05-31T23:59:59+00:00", False),
        ("UTC", "2026-06-01T00:00:00+00:00", True),
    ],
)
def test_month_ends_at_midnight_in_the_companys_time_zone(
    tx: Transaction, timezone: str, moment: str, has_ended: bool
) -> None:
    office = Office(tx, date(2026, 5, 20))
    configuring.set_company(tx, CompanyUpdate("company", timezone=timezone), now=office.now, who="user:admin")
    office.publish(saved_payment(**paid("25.00", "2026-05-31")))
    now = datetime.fromisoformat(moment)

    if has_ended:
        assert closing.schedule(tx, "company", MAY, now, BILLER) == []
    else:
        with pytest.raises(ClosingError, match="it has not ended; today is 2026-05-31"):
            closing.schedule(tx, "company", MAY, now, BILLER)


def test_scheduled_month_is_due_after_midnight_in_the_companys_time_zone(tx: Transaction) -> None:
    office = Office(tx, TODAY)
    office.publish(saved_payment(**paid("25.00", "2026-05-05")))
    configuring.set_company(tx, CompanyUpdate("company", timezone="America/Denver"), now=office.now, who="user:admin")
    closing.schedule(tx, "company", MAY, datetime(2026, 6, 21, 5, 30, tzinfo=UTC), BILLER)  # 23:30 on the 20th

    assert closing.due_months(tx, datetime(2026, 6, 21, 5, 59, tzinfo=UTC)) == []
    assert closing.due_months(tx, datetime(2026, 6, 21, 6, 0, tzinfo=UTC)) == [("company", MAY)]


def test_month_cannot_close_before_an_earlier_scheduled_month(tx: Transaction) -> None:
    office = Office(tx, TODAY)
    office.publish(
        saved_payment(**paid("25.00", "2026-04-05")), saved_payment(payment_id="may", **paid("5.00", "2026-05-05"))
    )
    closing.schedule(tx, "company", APRIL, office.now, BILLER)

    for refused in (closing.schedule, closing.begin_close):
        with pytest.raises(ClosingError, match="close 2026-04 first"):
            refused(tx, "company", MAY, office.now, BILLER)

    office.close_months("2026-04", "2026-05")
    assert month_states(office) == {"2026-04": MonthState.CLOSED, "2026-05": MonthState.CLOSED}


def test_interrupted_close_finishes_although_an_earlier_month_got_a_payment(tx: Transaction) -> None:
    office = Office(tx, TODAY)
    office.publish(
        saved_payment(payment_id="may", **paid("5.00", "2026-05-05")), saved_payment(**paid("25.00", "2026-04-05"))
    )
    set_month_state(tx, "2026-05", "CLOSING")  # as a release without the lock date may have left it

    assert closing.preview_close(tx, "company", MAY, office.now)[0].payments_total == Decimal("5.00")
    closing.begin_close(tx, "company", MAY, office.now, None)
    closing.finish_close(tx, "company", MAY, office.now)

    assert month_states(office)["2026-05"] is MonthState.CLOSED
    assert office.month_total("2026-04") == Decimal("25.00")


def test_closing_month_cannot_be_scheduled_or_cancelled(
    tx: Transaction,
) -> None:
    office = Office(tx, TODAY)
    with pytest.raises(ClosingError, match="it is open; schedule or close the month"):
        closing.finish_close(tx, "company", MAY, office.now)
    closing.begin_close(tx, "company", MAY, office.now, BILLER)

    with pytest.raises(ClosingError, match="it is being closed"):
        closing.schedule(tx, "company", MAY, office.now, BILLER)
    with pytest.raises(ClosingError, match="it is closing; only a scheduled month can be cancelled"):
        closing.cancel(tx, "company", MAY, office.now, BILLER)
    closing.finish_close(tx, "company", MAY, office.now)
    with pytest.raises(ClosingError, match="it is closed already"):
        closing.finish_close(tx, "company", MAY, office.now)


def test_close_records_who_scheduled_or_closed_the_month(tx: Transaction) -> None:
    office = Office(tx, TODAY)
    for month in (APRIL, MAY):
        closing.schedule(tx, "company", month, office.now, "user:ann")
    closing.begin_close(tx, "company", APRIL, office.now, None)
    closing.begin_close(tx, "company", MAY, office.now, "user:bob")

    found = {row.month: row.scheduled_by for row in closing.list_months(tx, "company")}
    assert found == {"2026-04": "user:ann", "2026-05": "user:bob"}


def test_months_of_companies_are_independent(tx: Transaction) -> None:
    ours, theirs = Office(tx, TODAY), Office(tx, TODAY, "other", "elsewhere")
    ours.publish(saved_payment(**paid("25.00", "2026-04-05")))
    here = {"company_id": "other", "clinic_id": "elsewhere"}
    theirs.close_months("2026-05")  # the first company's April is open, which does not matter

    assert month_states(ours) == {"2026-04": MonthState.OPEN}
    theirs.publish(saved_payment(payment_id="a", **here, **paid("7.00", "2026-05-05")))
    ours.publish(saved_payment(payment_id="b", **paid("9.00", "2026-05-05")))
    assert [found.payment for found in ours.open_exceptions()] == ["elsewhere/a/1"]
    assert (str(ours.month_total("2026-05")), str(theirs.month_total("2026-05"))) == ("9.00", "0.00")


def test_month_closes_for_every_clinic_of_its_company(tx: Transaction) -> None:
    office, second = Office(tx, TODAY), Office(tx, TODAY, "company", "second")
    office.publish(saved_payment(payment_id="a", **paid("7.00", "2026-05-05")))
    second.publish(saved_payment(payment_id="b", clinic_id="second", **paid("9.00", "2026-05-05")))
    office.close_months("2026-05")

    second.publish(deleted_payment(payment_id="b", clinic_id="second", version=2))

    assert [(found.payment, found.case) for found in office.open_exceptions()] == [("second/b/1", "deleted")]
    totals = {each.clinic: str(each.total) for each in closing.verify(tx, "company", MAY).snapshot.sums}
    assert totals == {"clinic": "7.00", "second": "9.00"}


def test_payment_dated_in_a_future_month_is_imported_and_closed_with_it(tx: Transaction) -> None:
    office = Office(tx, TODAY)
    first = saved_payment(**paid("25.00", "2026-08-31"))
    office.publish(first)
    assert office.ledger_entries() == [("2026-08-31", "25.00", "Cash")]
    with pytest.raises(ClosingError, match="it has not ended"):
        closing.begin_close(tx, "company", Month(2026, 8), office.now, BILLER)

    office.set_today(date(2026, 9, 1))
    office.close_months("2026-08")
    office.publish(next_version(first, amount_due="30.00", amount_paid="30.00"))

    assert [(found.case, str(found.difference)) for found in office.open_exceptions()] == [("edited", "5.00")]


def test_stored_totals_detect_a_change_of_method_type_clinic_or_user(tx: Transaction) -> None:
    office = Office(tx, TODAY)
    office.publish(
        saved_payment(payment_id="a", **paid("10.00", "2026-05-05")),
        saved_payment(payment_id="b", **paid("20.00", "2026-05-05", method="Check")),
        saved_payment(payment_id="c", **paid("30.00", "2026-05-05", charge_type="Supplies")),
        saved_payment(payment_id="d", **paid("40.00", "2026-05-05")),
    )
    office.close_months("2026-04")
    office.publish(saved_payment(payment_id="late", **paid("5.00", "2026-04-05")))
    (found,) = office.open_exceptions()
    adjusting.accept(tx, found.id, date(2026, 5, 31), office.now, BILLER)
    office.close_months("2026-05")

    verified = closing.verify(tx, "company", MAY)
    assert [(each.method, each.charge_type, each.user[:11], str(each.total)) for each in verified.snapshot.sums] == [
        ("Cash", "Copay", "Integration", "50.00"),
        ("Cash", "Copay", BILLER, "5.00"),
        ("Cash", "Supplies", "Integration", "30.00"),
        ("Check", "Copay", "Integration", "20.00"),
    ]
    assert (verified.matches, str(verified.stored_total)) == (True, "105.00")

    for tampered in (
        "UPDATE entries SET method = 'Check' WHERE amount = 10",  # the total stays the same
        "UPDATE entries SET entered_by = 'user:mallory' WHERE amount = 5",
        "UPDATE company_months SET payments_total = 106",
        "UPDATE company_months SET snapshot = '[]'",
    ):
        with_triggers_off(tx, tampered)
        assert not closing.verify(tx, "company", MAY).matches
        tx.execute(text("ROLLBACK TO SAVEPOINT untouched"))
    assert closing.verify(tx, "company", MAY).matches


def with_triggers_off(tx: Transaction, statement: str) -> None:
    """Execute a statement without triggers, as only the owner of the database can."""
    tx.execute(text("SAVEPOINT untouched"))
    tx.execute(text("SET LOCAL session_replication_role = replica"))
    tx.execute(text(statement))
    tx.execute(text("SET LOCAL session_replication_role = DEFAULT"))


def test_payment_log_of_a_closed_month_never_changes(tx: Transaction) -> None:
    office = Office(tx, TODAY)
    first = saved_payment(**paid("25.00", "2026-05-05"))
    office.publish(first)
    office.close_months("2026-05")
    may = PaymentLogFilter(since=MAY.first_day, until=JUNE.first_day - timedelta(days=1))
    log = list(reporting.payment_log(tx, may))

    office.publish(next_version(first, amount_due="30.00", amount_paid="30.00", transaction_date="2026-06-05"))
    office.accept_all()

    assert list(reporting.payment_log(tx, may)) == log
    assert [(row.kind, str(row.amount)) for row in reporting.payment_log(tx, PaymentLogFilter())][1:] == [
        ("adjustment", "5.00")
    ]
