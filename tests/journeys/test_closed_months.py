"""The worked examples of closed months: the exception and the entries that accepting it posts (rules D3 and D4)."""

from datetime import date

import pytest

from payments.store.db.connection import Transaction
from tests.builders.events import deleted_payment, paid, saved_payment
from tests.builders.ledger import feed_rows
from tests.builders.office import Office
from tests.builders.worked_examples import CLOSED_ON, EXAMPLES, W3, W15, Example


def example_office(tx: Transaction, example: Example) -> Office:
    """Return the office of an example with an open exception, on the day on which the exception is accepted."""
    office = Office(tx, date(2020, 4, 30))
    if example.before:
        office.publish(saved_payment(version=1, saved_at="2020-05-13T10:00:00-07:00", **example.before))
    office.set_today(CLOSED_ON)
    office.close_months("2020-04", "2020-05")
    office.set_today(example.accepted_on)
    office.publish(
        saved_payment(version=2, saved_at=example.saved_at, **example.now)
        if example.now
        else deleted_payment(version=2, saved_at=example.saved_at)
    )
    return office


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_closed_month_keeps_its_total_and_the_current_month_gets_the_adjustment(
    tx: Transaction, example: Example
) -> None:
    office = example_office(tx, example)
    posted = office.ledger_entries()
    (found,) = office.open_exceptions()
    assert (found.case, str(found.difference), found.payment) == (
        example.case,
        example.difference,
        "clinic/payment/1",
    )
    assert [(entry["amount"], entry["method"]) for entry in found.proposal] == [row[1:] for row in example.posted]
    assert month_totals(office) == example.totals_before_accepting

    office.accept_all()

    assert office.ledger_entries() == posted + example.posted
    assert office.open_exceptions() == []
    assert month_totals(office) == example.totals_after_accepting


def month_totals(office: Office) -> list[str]:
    return [str(office.month_total(month)) for month in ("2020-04", "2020-05", "2020-06")]


def test_w8_edit_after_acceptance_is_compared_with_the_posted_amount(tx: Transaction) -> None:
    office = example_office(tx, W3)
    office.accept_all()
    office.set_today(date(2020, 6, 22))

    office.publish(saved_payment(version=3, saved_at="2020-06-20T10:00:00-07:00", **paid("55.00", "2020-04-08")))

    (found,) = office.open_exceptions()
    assert (found.case, str(found.amount_before), str(found.amount_now), str(found.difference)) == (
        "edited",
        "45.00",
        "55.00",
        "10.00",
    )
    assert month_totals(office) == ["60.00", "0.00", "-15.00"]
    office.accept_all()
    assert month_totals(office) == ["60.00", "0.00", "-5.00"]
    assert office.ledger_entries() == [
        ("2020-04-08", "60.00", "Cash"),
        ("2020-06-16", "-15.00", "Cash"),
        ("2020-06-22", "10.00", "Cash"),
    ]


def test_w16_edit_in_an_open_month_posts_the_difference(tx: Transaction) -> None:
    office = Office(tx, date(2020, 6, 8))
    office.publish(saved_payment(version=1, **paid("25.00", "2020-06-05")))
    office.publish(saved_payment(version=2, **paid("35.00", "2020-06-05")))

    assert office.ledger_entries() == [("2020-06-05", "25.00", "Cash"), ("2020-06-05", "10.00", "Cash")]
    assert (month_totals(office), office.open_exceptions()) == (["0.00", "0.00", "35.00"], [])


def test_exception_of_a_late_arrival_has_a_note(tx: Transaction) -> None:
    office = example_office(tx, W15)

    assert [each.note for each in office.open_exceptions()] == ["late_arrival:2020-05"]


def test_line_moved_to_an_open_month_before_the_close_gets_no_exception(tx: Transaction) -> None:
    office = Office(tx, date(2020, 6, 10))
    office.publish(saved_payment(version=1, **paid("25.00", "2020-04-08")))
    office.publish(saved_payment(version=2, **paid("25.00", "2020-06-08")))
    office.close_months("2020-04", "2020-05")

    office.publish(saved_payment(version=3, **paid("35.00", "2020-06-08")))
    assert (office.open_exceptions(), month_totals(office)) == ([], ["0.00", "0.00", "35.00"])
    office.publish(deleted_payment(version=4))
    assert (office.open_exceptions(), month_totals(office)) == ([], ["0.00", "0.00", "0.00"])


@pytest.mark.parametrize("change", [{"transaction_date": "2020-04-08"}, {"amount_due": "0.00"}], ids=["closed", "zero"])
def test_payment_with_an_exception_stays_on_the_feed_when_no_longer_paid(
    tx: Transaction, change: dict[str, str]
) -> None:
    office = Office(tx, date(2020, 6, 10))
    office.close_months("2020-04")
    office.publish(saved_payment(version=1, **paid("25.00", "2020-06-08") | change))
    assert len(office.open_exceptions()) == 1

    office.publish(saved_payment(version=2, **paid("25.00", "2020-06-08") | change, paid=False))

    row = feed_rows(tx)["clinic/payment/1"]
    assert (row.version, row.status, office.open_exceptions()) == (2, "Transmission Successful", [])
