"""The worked examples of closed months: what Billing holds, what the EMR says, what is found, what accepting posts."""

from dataclasses import dataclass, field
from datetime import date
from typing import Any

import pytest

from payments.store.session import Transaction
from tests.make import deleted, saved
from tests.office import Office, paid

CLOSED_ON = date(2020, 6, 10)


@dataclass(frozen=True)
class Example:
    """A row of the office's table of worked examples."""

    name: str
    case: str
    difference: str
    posted: list[tuple[str, str, str]]  # on accept: deposit date, amount, method
    before: dict[str, Any] | None = None  # the first version, in Billing before the months are closed
    now: dict[str, Any] | None = None  # the version that comes after; None is a deletion
    saved_at: str = "2020-06-15T10:00:00-07:00"
    accepted_on: date = date(2020, 6, 16)
    months: dict[str, str] = field(default_factory=dict)  # month -> its total, which accepting does not change


EXAMPLES = [
    Example(
        "W1 added",
        "added",
        "50.00",
        [("2020-06-16", "50.00", "Cash")],
        now=paid("50.00", "2020-05-13"),
        months={"2020-05": "0.00"},
    ),
    Example(
        "W2 edited up",
        "edited",
        "10.00",
        [("2020-06-16", "10.00", "Cash")],
        before=paid("25.00", "2020-04-08"),
        now=paid("35.00", "2020-04-08"),
        months={"2020-04": "25.00"},
    ),
    Example(
        "W3 edited down",
        "edited",
        "-15.00",
        [("2020-06-16", "-15.00", "Cash")],
        before=paid("60.00", "2020-04-08"),
        now=paid("45.00", "2020-04-08"),
        months={"2020-04": "60.00"},
    ),
    Example(
        "W4 method",
        "edited",
        "0.00",
        [("2020-06-16", "-40.00", "Cash"), ("2020-06-16", "40.00", "Check")],
        before=paid("40.00", "2020-05-04"),
        now=paid("40.00", "2020-05-04", method="Check", reference="1021"),
        months={"2020-05": "40.00"},
    ),
    Example(
        "W6 deleted",
        "deleted",
        "-50.00",
        [("2020-06-16", "-50.00", "Cash")],
        before=paid("50.00", "2020-05-13"),
        months={"2020-05": "50.00"},
    ),
    Example(
        "W15 late arrival",
        "added",
        "20.00",
        [("2020-06-12", "20.00", "Cash")],
        now=paid("20.00", "2020-05-31"),
        saved_at="2020-05-31T17:00:00-07:00",
        accepted_on=date(2020, 6, 12),
        months={"2020-05": "0.00"},
    ),
]


def worked(tx: Transaction, example: Example) -> Office:
    """Return the office on the day of accepting, with the exception of an example open."""
    office = Office(tx, date(2020, 4, 30))
    if example.before:
        office.publish(saved(version=1, saved_at="2020-05-13T10:00:00-07:00", **example.before))
    office.day(CLOSED_ON)
    office.close("2020-04", "2020-05")
    office.day(example.accepted_on)
    office.publish(
        saved(version=2, saved_at=example.saved_at, **example.now)
        if example.now
        else deleted(version=2, saved_at=example.saved_at)
    )
    return office


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_a_closed_month_keeps_its_total_and_the_present_one_takes_the_adjustment(
    tx: Transaction, example: Example
) -> None:
    office = worked(tx, example)
    stood = office.entries()
    (found,) = office.open_exceptions()
    assert (found.case, str(found.difference), found.payment) == (
        example.case,
        example.difference,
        "clinic/payment/1",
    )
    assert [(entry["amount"], entry["method"]) for entry in found.proposal] == [row[1:] for row in example.posted]

    office.accept_all()

    assert office.entries() == stood + example.posted
    assert office.open_exceptions() == []
    assert {month: str(office.month_total(month)) for month in example.months} == example.months


def test_w8_an_edit_after_acceptance_is_found_against_what_stands_by_then(tx: Transaction) -> None:
    office = worked(tx, next(each for each in EXAMPLES if each.name == "W3 edited down"))
    office.accept_all()
    office.day(date(2020, 6, 22))

    office.publish(saved(version=3, saved_at="2020-06-20T10:00:00-07:00", **paid("55.00", "2020-04-08")))

    (found,) = office.open_exceptions()
    assert (found.case, str(found.amount_before), str(found.amount_now), str(found.difference)) == (
        "edited",
        "45.00",
        "55.00",
        "10.00",
    )
    office.accept_all()
    assert office.entries() == [
        ("2020-04-08", "60.00", "Cash"),
        ("2020-06-16", "-15.00", "Cash"),
        ("2020-06-22", "10.00", "Cash"),
    ]


def test_w16_an_edit_in_an_open_month_changes_the_line_in_place(tx: Transaction) -> None:
    office = Office(tx, date(2020, 6, 8))
    office.publish(saved(version=1, **paid("25.00", "2020-06-05")))
    office.publish(saved(version=2, **paid("35.00", "2020-06-05")))

    assert office.entries() == [("2020-06-05", "25.00", "Cash"), ("2020-06-05", "10.00", "Cash")]
    assert office.open_exceptions() == []


def test_a_late_arrival_is_noted_as_one(tx: Transaction) -> None:
    office = worked(tx, next(each for each in EXAMPLES if each.name == "W15 late arrival"))

    assert [each.note for each in office.open_exceptions()] == ["Late arrival: saved before 2020-05 was closed"]
