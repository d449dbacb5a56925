"""The balance of a charge (rule D8) is the amount that the patient still owes after payments."""

from collections.abc import Callable
from datetime import date
from itertools import permutations

import pytest
from sqlalchemy import text

from payments.contract.event import Event
from payments.journeys import distributing
from payments.store.db.connection import Transaction
from tests.builders.events import deleted_payment, paid, saved_charge, saved_payment
from tests.builders.office import Office

TODAY, VISIT = date(2026, 6, 10), "2026-06-05"
Step = Callable[[Office], object]


def publish_step(*events: Event) -> Step:
    return lambda office: office.publish(*events)


def distribute_nightly(office: Office) -> None:
    office.distribute_all()


def charge(version: int, balance: str, patient_paid: str | None = None, name: str = "c") -> Event:
    return saved_charge(name, balance, version=version, patient_paid=patient_paid)


def payment(amount: str = "25.00", payment_id: str = "p", version: int = 1) -> Event:
    return saved_payment(payment_id=payment_id, version=version, **paid(amount, VISIT))


APPLY_25 = [publish_step(charge(1, "40.00"), payment()), distribute_nightly]
"""Steps after which 25.00 is applied to a charge of 40.00."""

# The event; then the unassigned amount, the amount that the patient owes, and the credit on charges.
BALANCE_CASES: dict[str, tuple[list[Step], tuple[str, str, str]]] = {
    "the contract's example": ([*APPLY_25, publish_step(charge(2, "15.00"))], ("0.00", "15.00", "0.00")),
    "the same, stated": ([*APPLY_25, publish_step(charge(2, "15.00", "25.00"))], ("0.00", "15.00", "0.00")),
    "saved again": (
        [
            *APPLY_25,
            publish_step(charge(2, "15.00")),
            distribute_nightly,
            publish_step(charge(3, "15.00")),
            distribute_nightly,
        ],
        ("0.00", "15.00", "0.00"),
    ),
    "saved again in the same chunk": (
        [*APPLY_25, publish_step(charge(2, "15.00"), charge(3, "15.00"))],
        ("0.00", "15.00", "0.00"),
    ),
    "an older version afterwards": (
        [*APPLY_25, publish_step(charge(3, "15.00")), publish_step(charge(2, "99.00")), distribute_nightly],
        ("0.00", "15.00", "0.00"),
    ),
    "settled": ([*APPLY_25, publish_step(charge(2, "0.00"))], ("0.00", "0.00", "0.00")),
    "raised": ([*APPLY_25, publish_step(charge(2, "35.00"))], ("0.00", "35.00", "0.00")),
    "the rest is paid afterwards": (
        [*APPLY_25, publish_step(charge(2, "15.00")), publish_step(payment("15.00", "rest")), distribute_nightly],
        ("0.00", "0.00", "0.00"),
    ),
    "overpaid: the excess is given back": ([*APPLY_25, publish_step(charge(2, "-5.00"))], ("5.00", "0.00", "0.00")),
    "overpaid by more than was applied": ([*APPLY_25, publish_step(charge(2, "-30.00"))], ("25.00", "0.00", "5.00")),
    "void: nothing is owed and nothing counts as paid": (
        [*APPLY_25, publish_step(charge(2, "0.00", "0.00"))],
        ("25.00", "0.00", "0.00"),
    ),
    "the payment is deleted afterwards": (
        [*APPLY_25, publish_step(charge(2, "15.00")), publish_step(deleted_payment(payment_id="p", version=2))],
        ("0.00", "40.00", "0.00"),
    ),
    "the payment is deleted in the same chunk": (
        [*APPLY_25, publish_step(deleted_payment(payment_id="p", version=2), charge(2, "40.00"))],
        ("0.00", "40.00", "0.00"),
    ),
    "the payment is lowered in the same chunk": (
        [*APPLY_25, publish_step(charge(2, "30.00"), payment("10.00", version=2)), distribute_nightly],
        ("0.00", "30.00", "0.00"),
    ),
    "a new charge has deducted nothing": (
        [publish_step(payment()), publish_step(charge(1, "15.00")), distribute_nightly],
        ("10.00", "0.00", "0.00"),
    ),
    "a new charge states what was paid": (
        [publish_step(payment()), publish_step(charge(1, "15.00", "25.00")), distribute_nightly],
        ("0.00", "15.00", "0.00"),
    ),
    "the stated payment arrives later": (
        [
            publish_step(charge(1, "40.00")),
            publish_step(charge(2, "15.00", "25.00")),
            publish_step(payment()),
            distribute_nightly,
        ],
        ("0.00", "15.00", "0.00"),
    ),
    "the credit of one charge pays for no other": (
        [publish_step(charge(1, "-10.00"), charge(1, "30.00", name="other"))],
        ("0.00", "30.00", "10.00"),
    ),
}


def account_amounts(tx: Transaction) -> tuple[str, str, str]:
    """Return the patient's unassigned amount, outstanding amount, and credit on charges."""
    (row,) = distributing.show_account(tx, "patient")
    return str(row.unassigned), str(row.balance), str(row.credit)


@pytest.mark.slow
@pytest.mark.parametrize("case", BALANCE_CASES)
def test_charge_balance_is_what_the_patient_still_owes(tx: Transaction, case: str) -> None:
    steps, expected = BALANCE_CASES[case]
    office = Office(tx, TODAY)

    for step in steps:
        step(office)

    assert account_amounts(tx) == expected
    distribute_nightly(office)
    assert account_amounts(tx) == expected


def test_new_charge_balance_after_a_payment_keeps_its_allocation(tx: Transaction) -> None:
    office = Office(tx, TODAY)
    for step in APPLY_25:
        step(office)

    office.publish(charge(2, "15.00"))
    distribute_nightly(office)

    (account_amounts,) = distributing.show_account(tx, "patient")
    assert [str(each.amount) for each in distributing.show_allocations(tx, account_amounts)] == ["25.00"]


STATING_EVENTS = [charge(1, "40.00", "0.00"), payment(), charge(2, "15.00", "25.00"), payment("5.00", "q")]


@pytest.mark.slow
@pytest.mark.parametrize("order", [*permutations(range(len(STATING_EVENTS)))], ids=str)
def test_payment_stated_with_a_charge_counts_once_in_any_order_of_arrival(
    tx: Transaction, order: tuple[int, ...]
) -> None:
    office = Office(tx, TODAY)

    for index in order:
        office.publish(STATING_EVENTS[index])
        distribute_nightly(office)

    assert account_amounts(tx) == ("0.00", "10.00", "0.00")


def test_charge_of_an_earlier_release_keeps_its_meaning_until_it_is_saved_again(tx: Transaction) -> None:
    office = Office(tx, TODAY)
    office.publish(charge(1, "40.00"), payment())
    tx.execute(text("DELETE FROM charges"))
    columns = "clinic_id, charge_id, company_id, patient_id, version, date_of_service, patient_balance, insurance_open"
    old = f"INSERT INTO charges ({columns}) VALUES ('clinic', 'c', 'company', 'patient', 1, '{VISIT}', 40, false)"
    tx.execute(text(old))

    distribute_nightly(office)
    assert account_amounts(tx) == ("0.00", "15.00", "0.00")

    office.publish(charge(2, "15.00"))
    assert account_amounts(tx) == ("0.00", "15.00", "0.00")
