"""Accepting an exception posts entries on the right deposit dates."""

from datetime import date, datetime, timedelta

import pytest
from sqlalchemy import text

from payments.core.finding import DecisionError
from payments.core.month import Month
from payments.journeys import adjusting, closing, configuring
from payments.journeys.configuring import CompanyUpdate
from payments.store.db.connection import Transaction
from tests.builders.events import next_version, paid, saved_patient, saved_payment
from tests.builders.office import BILLER, Office, office_with_closed_april

FIRST_SAVE = saved_payment(**paid("25.00", "2020-04-08"))


@pytest.fixture
def office(tx: Transaction) -> Office:
    """An office whose April is closed."""
    return office_with_closed_april(tx, FIRST_SAVE)


def test_accepted_zero_amount_due_moves_posted_entries_in_open_months(
    tx: Transaction,
) -> None:
    office = Office(tx, date(2020, 6, 12))
    first = saved_payment(**paid("25.00", "2020-06-03"))
    office.publish(first)
    office.publish(next_version(first, amount_due="0.00", amount_paid="20.00", transaction_date="2020-06-05"))

    office.accept_all()

    assert office.ledger_entries() == [
        ("2020-06-03", "25.00", "Cash"),
        ("2020-06-03", "-25.00", "Cash"),
        ("2020-06-05", "20.00", "Cash"),
    ]


def test_accepted_zero_amount_due_keeps_entries_of_a_closed_month(office: Office) -> None:
    office.publish(next_version(FIRST_SAVE, amount_due="0.00", amount_paid="20.00", transaction_date="2020-06-05"))
    (open_one,) = office.open_exceptions()

    done = adjusting.accept(office.tx, open_one.id, None, office.now, BILLER)

    assert [str(each.amount) for each in done.postings] == ["-5.00"]
    kinds = text("SELECT kind, entered_by, deposit_date::text FROM entries ORDER BY id DESC LIMIT 1")
    assert office.tx.execute(kinds).one() == ("adjustment", BILLER, "2020-06-12")


def test_zero_amount_due_is_accepted_only_with_a_known_patient(office: Office) -> None:
    office.publish(
        saved_payment(payment_id="new", patient_id="nobody", amount_due="0.00", transaction_date="2020-06-05")
    )
    (open_one,) = office.open_exceptions()

    assert office.accept_all() == []
    with pytest.raises(DecisionError, match="patient nobody is not known to Billing yet; accept it once"):
        adjusting.accept(office.tx, open_one.id, None, office.now, BILLER)
    office.publish(saved_patient("nobody"))

    assert [str(each.amount) for done in office.accept_all() for each in done.postings] == ["25.00"]


@pytest.mark.parametrize(
    ("timezone", "moment", "today"),
    [
        ("America/Denver", "2020-07-01T05:59:00+00:00", "2020-06-30"),
        ("America/Denver", "2020-07-01T06:00:00+00:00", "2020-07-01"),
        ("Pacific/Auckland", "2020-06-30T12:30:00+00:00", "2020-07-01"),
    ],
)
def test_adjustment_is_dated_in_the_companys_time_zone(office: Office, timezone: str, moment: str, today: str) -> None:
    configuring.set_company(office.tx, CompanyUpdate("company", timezone=timezone), now=office.now, who="user:admin")
    office.publish(next_version(FIRST_SAVE, paid=False))
    office.now = datetime.fromisoformat(moment)
    tomorrow = date.fromisoformat(today) + timedelta(days=1)
    (open_one,) = office.open_exceptions()

    with pytest.raises(DecisionError, match=f"deposit date {tomorrow} is in the future; today is {today}"):
        adjusting.accept(office.tx, open_one.id, tomorrow, office.now, BILLER)
    office.accept_all()

    assert office.ledger_entries()[-1] == (today, "-25.00", "Cash")


def test_closing_month_rejects_adjustments(office: Office) -> None:
    office.publish(next_version(FIRST_SAVE, paid=False))
    closing.begin_close(office.tx, "company", Month(2020, 5), office.now, BILLER)
    (open_one,) = office.open_exceptions()

    with pytest.raises(DecisionError, match="deposit date 2020-05-31: that month is closed"):
        adjusting.accept(office.tx, open_one.id, date(2020, 5, 31), office.now, BILLER)


@pytest.mark.parametrize(
    "changes",
    [
        {"method": "Check"},
        {"charge_type": "Supplies"},
        {"provider_id": "p-2"},
        {"date_of_service": "2020-04-09"},
        {"patient_id": "another"},
        {"method": "Check", "provider_id": "p-2", "date_of_service": "2020-04-09"},
    ],
    ids="-".join,
)
@pytest.mark.parametrize("amount", ["25.00", "30.00"])
def test_changed_patient_or_type_reverses_the_old_entry_and_posts_a_new_one(
    office: Office, changes: dict[str, str], amount: str
) -> None:
    office.publish(saved_patient("another"), next_version(FIRST_SAVE, amount_due=amount, amount_paid=amount, **changes))

    office.accept_all()

    names = "amount::text, method, charge_type, provider_id, date_of_service::text, patient_id, deposit_date::text"
    first, out, back = (
        dict(row) for row in office.tx.execute(text(f"SELECT {names} FROM entries ORDER BY id")).mappings()
    )
    today = {"deposit_date": "2020-06-12"}
    assert out == first | today | {"amount": "-25.00"}
    assert back == first | today | changes | {"amount": amount}


@pytest.mark.parametrize(
    "changes",
    [{"memo": "x"}, {"reference": "1021"}, {"case_id": "c-2"}, {"transaction_date": "2020-06-11"}],
    ids="-".join,
)
def test_change_without_money_posts_nothing(office: Office, changes: dict[str, str]) -> None:
    office.publish(next_version(FIRST_SAVE, **changes))
    (open_one,) = office.open_exceptions()
    assert (open_one.case, open_one.proposal) == ("edited", [])

    assert adjusting.accept(office.tx, open_one.id, None, office.now, BILLER).postings == ()

    assert office.ledger_entries() == [("2020-04-08", "25.00", "Cash")]
