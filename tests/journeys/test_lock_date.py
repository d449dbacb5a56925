"""The lock date: every month up to a company's latest closed month counts as closed (rule D7)."""

from collections.abc import Callable
from datetime import date

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from payments.contract.event import ChargeType
from payments.core.finding import DecisionError
from payments.core.month import Month, MonthState
from payments.core.requeue_result import RequeueResult
from payments.core.scope import Scope
from payments.journeys import adjusting, balancing, closing, eligibility_preview, reporting, requeueing
from payments.journeys.balancing import BalanceFilter
from payments.journeys.closing import ClosingError
from payments.journeys.eligibility_preview import PaymentToSave
from payments.store.db.connection import Transaction
from tests.builders.events import deleted_payment, next_version, paid, saved_payment
from tests.builders.ledger import set_month_state
from tests.builders.office import BILLER, Office

pytestmark = pytest.mark.slow

TODAY = date(2026, 10, 12)
LATEST_CLOSED_MONTH = "2026-09"
# Months up to the latest closed month: without a row, with a row but open, and closed themselves.
LOCKED_DAYS = ["1900-01-01", "2025-10-03", "2026-05-31", "2026-08-31", "2026-09-01", "2026-09-30"]
OPEN_DAYS = ["2026-10-01", "2026-10-12", "2027-01-01"]


INSERT_ENTRY = (
    "INSERT INTO entries (part, kind, amount, company_id, clinic_id, patient_id, charge_type, method, deposit_date, "
    "posting_date, posted_at, entered_by) VALUES (1, 'manual', 1, 'company', 'clinic', 'patient', 'Copay', 'Cash', "
    "CAST(:day AS date), '2026-10-12', '2026-10-12', 'user:biller')"
)


@pytest.fixture
def office(tx: Transaction) -> Office:
    """An office that closed August and September. May is open and has a row in `months`."""
    office = Office(tx, TODAY)
    set_month_state(tx, "2026-05", "OPEN")
    office.close_months("2026-08", LATEST_CLOSED_MONTH)
    return office


def exception_cases(office: Office) -> list[tuple[str | None, str]]:
    return [(found.case, str(found.difference)) for found in office.open_exceptions()]


def month_states(office: Office) -> dict[str, MonthState]:
    return {row.month: row.state for row in closing.list_months(office.tx, office.company_id)}


@pytest.mark.parametrize("day", LOCKED_DAYS)
def test_payment_dated_up_to_the_lock_date_becomes_an_exception(office: Office, day: str) -> None:
    office.publish(saved_payment(**paid("25.00", day)))

    assert (exception_cases(office), office.ledger_entries()) == ([("added", "25.00")], [])
    (accepted,) = office.accept_all()
    assert [str(each.dimensions.deposit_date) for each in accepted.postings] == ["2026-10-12"]


@pytest.mark.parametrize("day", OPEN_DAYS)
def test_payment_dated_after_the_lock_date_is_imported(office: Office, day: str) -> None:
    office.publish(saved_payment(**paid("25.00", day)))

    assert (exception_cases(office), office.ledger_entries()) == ([], [(day, "25.00", "Cash")])


@pytest.mark.parametrize("day", LOCKED_DAYS)
def test_payment_moved_to_a_date_up_to_the_lock_date_becomes_an_exception(office: Office, day: str) -> None:
    first = saved_payment(**paid("25.00", "2026-10-05"))
    office.publish(first)
    office.publish(next_version(first, **paid("30.00", day)))

    assert exception_cases(office) == [("edited", "5.00")]
    assert office.ledger_entries() == [("2026-10-05", "25.00", "Cash")]


@pytest.mark.parametrize("change", ["edited", "deleted"])
@pytest.mark.parametrize("day", ["2025-10-03", "2026-05-05"])
def test_change_of_an_entry_that_a_later_close_locked_becomes_an_exception(
    tx: Transaction, day: str, change: str
) -> None:
    office = Office(tx, TODAY)
    first = saved_payment(**paid("25.00", day))
    office.publish(first)
    set_month_state(tx, LATEST_CLOSED_MONTH, "CLOSED")  # by a release that did not ask for earlier months

    office.publish(
        next_version(first, amount_due="35.00", amount_paid="35.00")
        if change == "edited"
        else deleted_payment(version=2)
    )

    assert exception_cases(office) == [(change, "10.00" if change == "edited" else "-25.00")]
    assert office.ledger_entries() == [(day, "25.00", "Cash")]


def test_months_of_another_company_are_not_locked(office: Office) -> None:
    other = Office(office.tx, TODAY, "other", "elsewhere")
    other.publish(saved_payment(company_id="other", clinic_id="elsewhere", **paid("25.00", "2025-10-03")))

    assert other.month_total("2025-10") == 25


@pytest.mark.parametrize("day", LOCKED_DAYS)
def test_deposit_date_up_to_the_lock_date_is_refused(office: Office, day: str) -> None:
    office.publish(saved_payment(**paid("25.00", "2026-09-05")))
    (found,) = office.open_exceptions()

    with pytest.raises(DecisionError, match="that month is closed, as is every month up to 2026-09; choose a date"):
        adjusting.accept(office.tx, found.id, date.fromisoformat(day), office.now, BILLER)
    assert office.ledger_entries() == []


@pytest.mark.parametrize("day", LOCKED_DAYS)
def test_accepted_zero_amount_due_up_to_the_lock_date_is_posted_as_an_adjustment(office: Office, day: str) -> None:
    office.publish(saved_payment(amount_due="0.00", amount_paid="25.00", transaction_date=day))
    office.accept_all()

    assert office.ledger_entries() == [("2026-10-12", "25.00", "Cash")]


@pytest.mark.parametrize("day", LOCKED_DAYS)
def test_database_refuses_an_entry_up_to_the_lock_date(office: Office, day: str) -> None:
    with pytest.raises(DBAPIError, match="the month is closed for company company"), office.tx.begin_nested():
        office.tx.execute(text(INSERT_ENTRY), {"day": day})


def test_previews_count_a_month_up_to_the_lock_date_as_closed(office: Office) -> None:
    would = eligibility_preview.preview_payment(
        office.tx,
        Scope.of_clinics("clinic"),
        PaymentToSave(charge_type=ChargeType.COPAY, day=date(2025, 10, 3)),
        office.now,
    )
    office.set_types(ChargeType.COPAY)
    office.publish(saved_payment(charge_type="Supplies", **paid("25.00", "2025-10-03")))
    office.set_types(*ChargeType)
    preview = requeueing.preview_requeue(office.tx, reporting.FeedFilter(), office.now)

    assert would.month_state is MonthState.CLOSED
    assert [each.result for each in preview.results] == [RequeueResult.CLOSED_MONTH]


def test_late_arrival_in_a_month_that_is_not_stored_has_a_note(office: Office) -> None:
    early = saved_payment(**paid("25.00", "2025-10-03"), saved_at="2025-10-03T10:00:00+00:00")
    office.publish(early)

    assert [found.note for found in office.open_exceptions()] == ["late_arrival:2025-10"]


def test_months_before_the_lock_date_are_listed_as_closed_and_new_ones_are_not_added(office: Office) -> None:
    office.publish(saved_payment(**paid("25.00", "2025-10-03")))

    assert month_states(office) == dict.fromkeys(["2026-05", "2026-08", LATEST_CLOSED_MONTH], MonthState.CLOSED)


@pytest.mark.parametrize("action", [closing.schedule, closing.begin_close])
@pytest.mark.parametrize("month", ["2025-10", "2026-05", "2026-07"])
def test_empty_month_before_the_lock_date_is_not_closed_again(
    office: Office, action: Callable[..., object], month: str
) -> None:
    problem = "it is locked, because 2026-09, a later month, is closed"
    with pytest.raises(ClosingError, match=problem):
        action(office.tx, "company", Month.parse(month), office.now, BILLER)


def test_next_month_closes_although_an_earlier_release_imported_before_the_lock_date(tx: Transaction) -> None:
    office = Office(tx, TODAY)
    office.publish(saved_payment(**paid("25.00", "2025-10-03")))
    set_month_state(tx, "2026-08", "CLOSED")

    office.close_months(LATEST_CLOSED_MONTH)

    assert month_states(office) == dict.fromkeys(["2025-10", "2026-08", LATEST_CLOSED_MONTH], MonthState.CLOSED)
    assert {row.month: str(row.payments_total) for row in closing.list_months(tx, "company")}["2025-10"] == "25.00"
    balance = balancing.balance(tx, BalanceFilter(date(2025, 10, 1), TODAY))
    assert (str(balance.billing_total), balance.unexplained) == ("25.00", 0)


def test_totals_of_entries_before_the_lock_date_can_be_stored(tx: Transaction) -> None:
    office = Office(tx, TODAY)
    first = saved_payment(**paid("25.00", "2025-10-03"))
    office.publish(first)
    set_month_state(tx, LATEST_CLOSED_MONTH, "CLOSED")

    office.close_months("2025-10")
    office.publish(next_version(first, amount_due="30.00", amount_paid="30.00"))

    assert closing.verify(tx, "company", Month(2025, 10)).matches
    assert exception_cases(office) == [("edited", "5.00")]


def test_scheduled_month_before_the_lock_date_is_still_due(tx: Transaction) -> None:
    office = Office(tx, TODAY)
    closing.schedule(tx, "company", Month(2026, 8), office.now, BILLER)
    office.close_months(LATEST_CLOSED_MONTH)

    office.set_today(date(2026, 10, 13))
    assert closing.due_months(tx, office.now) == [("company", Month(2026, 8))]
    office.close_months("2026-08")
    assert closing.verify(tx, "company", Month(2026, 8)).matches


def test_payment_before_a_month_that_is_closing_is_held(tx: Transaction) -> None:
    office = Office(tx, TODAY)
    closing.begin_close(tx, "company", Month(2026, 9), office.now, BILLER)
    office.publish(saved_payment(**paid("25.00", "2025-10-03")))
    assert office.ledger_entries() == []
    (row,) = reporting.claims_feed(tx, reporting.FeedFilter())
    assert row.status == "Transmission Pending"

    closing.finish_close(tx, "company", Month(2026, 9), office.now)
    office.set_today(date(2026, 10, 14))
    office.run_sweeps()
    assert exception_cases(office) == [("added", "25.00")]
