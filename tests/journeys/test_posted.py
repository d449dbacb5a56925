"""The Claims Feed shows for each payment whether it is in Billing, its posted amount, and the difference."""

from datetime import date, timedelta
from typing import Any

import pytest

from payments.contract.event import ChargeType
from payments.core.posted import PostedFilter
from payments.core.sorting import Window
from payments.journeys import reporting
from payments.journeys.reporting import FeedFilter
from payments.store.db.connection import Transaction
from tests.builders.events import deleted_payment, event_body, event_fields, paid, payment_fields, saved_payment
from tests.builders.office import Office, office_with_closed_april

APRIL, JUNE = "2020-04-08", "2020-06-08"


def april(amount: str, version: int = 1, **more: Any) -> Any:
    return saved_payment(**{"payment_id": "old", "version": version, **paid(amount, APRIL), **more})


def june(amount: str, **more: Any) -> Any:
    return saved_payment(**{**paid(amount, JUNE), **more})


POSTED_CASES: list[tuple[str, list[Any], tuple[str | None, str, str | None]]] = [
    ("imported", [june("25.00")], ("posted", "25.00", "0.00")),
    ("updated", [june("25.00"), june("35.00", version=2)], ("posted", "35.00", "0.00")),
    ("deleted", [june("25.00"), deleted_payment(version=2)], ("nothing_to_post", "0.00", "0.00")),
    ("no longer paid", [june("25.00"), june("25.00", version=2, paid=False)], ("nothing_to_post", "0.00", "0.00")),
    ("added in a closed month", [june("25.00", transaction_date=APRIL)], ("closed_month", "0.00", "25.00")),
    ("edited in a closed month", [april("35.00", 2)], ("closed_month", "25.00", "10.00")),
    ("edited method in a closed month", [april("25.00", 2, method="Check")], ("closed_month", "25.00", "0.00")),
    ("deleted in a closed month", [deleted_payment(payment_id="old", version=2)], ("closed_month", "25.00", "-25.00")),
    ("Internal in a closed month", [april("25.00", 2, internal_payment=True)], ("closed_month", "25.00", "0.00")),
    ("Amount Due 0.00", [june("25.00", amount_due="0.00")], ("zero_due", "0.00", "25.00")),
    ("Internal Payment", [june("25.00", internal_payment=True)], ("internal_payment", "0.00", "25.00")),
    ("type not selected", [june("25.00", charge_type="Supplies")], ("not_sent", "0.00", "25.00")),
    ("patient unknown", [june("25.00", patient_id="nobody")], ("pending", "0.00", "25.00")),
    (
        "patient unknown in a later version",
        [june("25.00"), june("30.00", version=2, patient_id="nobody")],
        ("pending", "25.00", "5.00"),
    ),
    ("refused", [event_body(payment_fields(method="Barter"))], ("invalid", "0.00", "25.00")),
    (
        "later version refused",
        [june("25.00"), event_body(payment_fields(version=2, method="Barter", **paid("30.00", JUNE)))],
        ("invalid", "25.00", "5.00"),
    ),
    ("amount unreadable", [event_body(payment_fields(amount_paid="much"))], ("invalid", "0.00", None)),
    ("no event at all", [b"{"], ("invalid", "0.00", None)),
    (
        "a patient who was refused",
        [event_body(event_fields("patient.saved", patient_id="ann", version="x"))],
        (None, "0.00", None),
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("events", "expected"), [row[1:] for row in POSTED_CASES], ids=[row[0] for row in POSTED_CASES]
)
def test_feed_shows_the_posted_state_and_the_amount_in_billing(
    tx: Transaction, events: list[Any], expected: tuple[str, str, str]
) -> None:
    office = office_with_closed_april(tx, april("25.00"))
    office.set_types(ChargeType.COPAY)
    office.publish(*events)

    assert posted_state_and_amounts(tx) == expected
    rows = list(reporting.claims_feed(tx, FeedFilter()))
    page = [each.row for each in reporting.claims_feed_page(tx, FeedFilter(), Window(10)).rows]
    assert sorted(page, key=repr) == sorted(rows, key=repr)
    assert list(reporting.claims_feed(tx, FeedFilter(as_of=office.now))) == rows


def posted_state_and_amounts(tx: Transaction, **filters: Any) -> tuple[str | None, str, str | None]:
    """Return the posted state and the amounts of the payment that the events of a test changed."""
    rows = list(reporting.claims_feed(tx, FeedFilter(**filters)))
    (row,) = [row for row in rows if row.version != 1 or "old" not in str(row.payment)] or rows
    return row.posted, str(row.posted_amount), None if row.difference is None else str(row.difference)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (april("35.00", 2), ("acknowledged", "25.00", "10.00")),
        (april("25.00", 2, memo="a note"), ("posted", "25.00", "0.00")),
        (deleted_payment(payment_id="old", version=2), ("acknowledged", "25.00", "-25.00")),
        (june("25.00", amount_due="0.00"), ("acknowledged", "0.00", "25.00")),
    ],
    ids=["another amount", "a note", "deleted", "Amount Due 0.00"],
)
def test_acknowledged_payment_is_posted_only_if_its_amount_is_in_billing(
    tx: Transaction, event: Any, expected: tuple[str, str, str]
) -> None:
    office = office_with_closed_april(tx, april("25.00"))
    office.publish(event)
    before, moment = posted_state_and_amounts(tx), office.now
    office.now += timedelta(minutes=1)
    office.acknowledge_only_exception()

    assert posted_state_and_amounts(tx) == expected
    assert posted_state_and_amounts(tx, as_of=moment) == before


def test_patient_who_was_never_found_is_not_sent_until_a_biller_acknowledges_it(tx: Transaction) -> None:
    office = Office(tx, date(2020, 6, 10))
    office.publish(june("25.00", patient_id="nobody"))
    for _ in range(200):
        office.now += timedelta(minutes=15)
        office.run_sweeps()

    assert posted_state_and_amounts(tx) == ("not_sent", "0.00", "25.00")
    office.acknowledge_only_exception()
    assert posted_state_and_amounts(tx) == ("acknowledged", "0.00", "25.00")
    assert [row.posted for row in reporting.claims_feed(tx, FeedFilter(posted=PostedFilter.ACKNOWLEDGED))] == [
        "acknowledged"
    ]


def test_accepted_exception_is_in_billing(tx: Transaction) -> None:
    office = office_with_closed_april(tx, april("25.00"))
    office.publish(april("35.00", 2))
    office.accept_all()

    assert posted_state_and_amounts(tx) == ("posted", "35.00", "0.00")
