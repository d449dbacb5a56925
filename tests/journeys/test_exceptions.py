"""Exceptions are opened, recomputed, accepted, acknowledged and closed automatically (rule D6)."""

from datetime import date

import pytest
from sqlalchemy import text

from payments.core.finding import DecisionError
from payments.journeys import adjusting
from payments.journeys.adjusting import accept, acknowledge
from payments.journeys.importing import import_events
from payments.store.db.connection import Transaction
from payments.store.ledger import findings
from tests.builders.events import (
    BACKOFF,
    deleted_payment,
    paid,
    run_context,
    saved_patient,
    saved_payment,
    stream_entries,
)
from tests.builders.office import Office

CLOSED_ON = date(2020, 6, 10)


def test_memo_edit_proposes_nothing_and_is_settled_by_accept_or_acknowledge(tx: Transaction) -> None:
    office = closed_april(tx)
    office.publish(saved_payment(version=2, memo="window seat", **paid("25.00", "2020-04-08")))
    (found,) = office.open_exceptions()
    assert (found.case, found.proposal, found.note) == (
        "edited",
        [],
        "nothing_to_post",
    )

    acknowledge(tx, found.id, "a memo", office.now, "user:biller")
    office.publish(saved_payment(version=3, memo="aisle seat", **paid("25.00", "2020-04-08")))
    assert [each.case for each in office.open_exceptions()] == ["edited"]

    office.accept_all()
    assert office.ledger_entries() == [("2020-04-08", "25.00", "Cash")]
    assert office.open_exceptions() == []


def test_exception_closes_automatically_when_a_newer_version_agrees_with_billing(tx: Transaction) -> None:
    office = closed_april(tx)
    office.publish(saved_payment(version=2, **paid("35.00", "2020-04-08")))
    (found,) = office.open_exceptions()
    office.publish(saved_payment(version=3, **paid("25.00", "2020-04-08")))

    assert office.open_exceptions() == []
    assert findings.load(tx, [found.id])[found.id].status == "auto_closed"


def test_newer_version_recomputes_the_exception_and_a_stale_accept_posts_nothing(tx: Transaction) -> None:
    office = closed_april(tx)
    office.publish(saved_payment(version=2, **paid("35.00", "2020-04-08")))
    (found,) = office.open_exceptions()
    import_events(
        tx, stream_entries([saved_payment(version=3, **paid("45.00", "2020-04-08"))]), run_context(office.now)
    )

    with pytest.raises(DecisionError, match=r"was saved again \(version 3\)"):
        accept(tx, found.id, None, office.now, "user:biller")
    office.run_sweeps()

    assert [(each.id, str(each.difference)) for each in office.open_exceptions()] == [(found.id, "20.00")]
    assert office.ledger_entries() == [("2020-04-08", "25.00", "Cash")]


def test_accepting_twice_posts_once(tx: Transaction) -> None:
    office = closed_april(tx)
    office.publish(deleted_payment(version=2))
    (found,) = office.open_exceptions()

    first, second = (accept(tx, found.id, None, office.now, "user:biller") for _ in range(2))

    assert (len(first.postings), first.was_accepted_before, second.postings, second.was_accepted_before) == (
        1,
        False,
        (),
        True,
    )
    assert [amount for _, amount, _ in office.ledger_entries()] == ["25.00", "-25.00"]


@pytest.mark.parametrize(
    ("day", "problem"),
    [
        *(
            (
                day,
                f"deposit date {day}: that month is closed, as is every month up to 2020-04; choose a date in an open",
            )
            for day in (date(2020, 4, 30), date(2020, 3, 31), date(2019, 4, 30))
        ),
        (date(206, 6, 1), "deposit date 0206-06-01: the earliest year is 1900"),
        (date(2020, 6, 11), "deposit date 2020-06-11 is in the future; today is 2020-06-10"),
    ],
)
def test_accept_rejects_a_closed_or_future_deposit_date(tx: Transaction, day: date, problem: str) -> None:
    office = closed_april(tx)
    office.publish(deleted_payment(version=2))
    (found,) = office.open_exceptions()

    with pytest.raises(DecisionError, match=problem):
        accept(tx, found.id, day, office.now, "user:biller")


def test_acknowledgement_needs_a_reason_and_lasts_until_the_next_version(tx: Transaction) -> None:
    office = closed_april(tx)
    office.publish(deleted_payment(version=2))
    (found,) = office.open_exceptions()
    with pytest.raises(DecisionError, match="a reason is needed"):
        acknowledge(tx, found.id, " ", office.now, "user:biller")
    acknowledge(tx, found.id, "agreed with the patient", office.now, "user:biller")
    office.run_sweeps()
    assert office.open_exceptions() == []

    office.publish(saved_payment(version=3, **paid("30.00", "2020-04-08")))
    assert [(each.case, str(each.difference)) for each in office.open_exceptions()] == [("edited", "5.00")]


def test_accepted_zero_amount_due_is_imported(tx: Transaction) -> None:
    office = Office(tx, date(2020, 6, 10))
    office.publish(saved_payment(amount_due="0.00", amount_paid="20.00", transaction_date="2020-06-05"))
    (found,) = office.open_exceptions()
    assert (found.reason, found.case, str(found.difference)) == ("zero_due", None, "20.00")

    office.accept_all()

    assert office.ledger_entries() == [("2020-06-05", "20.00", "Cash")]
    assert office.open_exceptions() == []


def test_unknown_patient_and_version_conflict_exceptions_close_automatically(tx: Transaction) -> None:
    office = Office(tx, date(2020, 6, 10))
    office.publish(saved_payment(payment_id="stranger", patient_id="nobody", transaction_date="2020-06-05"))
    office.publish(saved_payment("30.00", payment_id="twice"), saved_payment("40.00", payment_id="twice"))
    for _ in BACKOFF:
        office.now += max(BACKOFF)
        office.run_sweeps()
    assert sorted((each.payment, each.reason) for each in office.open_exceptions()) == [
        ("clinic/stranger/1", "patient_not_found"),
        ("clinic/twice/1", "version_conflict"),
    ]

    office.publish(saved_patient("nobody"), saved_payment("40.00", payment_id="twice", version=2))

    assert office.open_exceptions() == []


def test_auto_policy_lists_closed_month_exceptions_as_acceptable(tx: Transaction) -> None:
    office = closed_april(tx)
    office.publish(deleted_payment(version=2))
    (found,) = office.open_exceptions()
    assert adjusting.list_auto_acceptable(tx, office.now) == []

    tx.execute(text("UPDATE companies SET adjustments = 'auto'"))

    assert adjusting.list_auto_acceptable(tx, office.now) == [("company", str(found.id))]


def closed_april(tx: Transaction) -> Office:
    """Return an office on June 10, 2020, with 25.00 posted in the closed April."""
    office = Office(tx, date(2020, 4, 30))
    office.publish(saved_payment(version=1, **paid("25.00", "2020-04-08")))
    office.set_today(CLOSED_ON)
    office.close_months("2020-04")
    return office
