"""Refunds on accounts: a refund unapplies only the payment that it names (rule D8)."""

from datetime import date, timedelta
from decimal import Decimal
from itertools import chain

import pytest
from sqlalchemy import text

from payments.contract.event import ChargeType, PaymentSaved
from payments.core.scope import Scope
from payments.journeys import configuring, distributing
from payments.journeys.configuring import SettingsUpdate
from payments.store.db.connection import Transaction
from tests.builders.events import deleted_payment, paid, saved_charge, saved_patient, saved_payment
from tests.builders.office import Office

TODAY = date(2026, 6, 10)


def visit_payment(day: str, amount: str, payment_id: str, **more: object) -> PaymentSaved:
    return saved_payment(payment_id=payment_id, **paid(amount, day, **more))


def refund(refund_of: str, amount: str = "-30.00", payment_id: str = "refund", **more: object) -> PaymentSaved:
    return saved_payment(payment_id=payment_id, refund_of=refund_of, **paid(amount, "2026-06-08", **more))


@pytest.fixture
def office(tx: Transaction) -> Office:
    """An office where a patient's payments of 80.00 and 50.00 are applied, and another patient paid 40.00."""
    opened = Office(tx, TODAY)
    opened.publish(
        saved_charge("a", "80.00", date_of_service="2026-06-01"),
        saved_charge("b", "50.00", date_of_service="2026-06-03"),
        visit_payment("2026-06-01", "80.00", "a"),
        visit_payment("2026-06-03", "50.00", "b"),
        saved_patient("other"),
        visit_payment("2026-06-03", "40.00", "c", patient_id="other"),
    )
    opened.distribute_all()
    assert applied_amounts(tx) == {"clinic/a/1": "80.00", "clinic/b/1": "50.00"}
    return opened


def applied_amounts(tx: Transaction) -> dict[str, str]:
    """Return the applied amount of each of the patient's payments."""
    sums: dict[str, Decimal] = {}
    accounts = distributing.show_account(tx, "patient")
    for each in chain.from_iterable(distributing.show_allocations(tx, account) for account in accounts):
        sums[each.payment] = sums.get(each.payment, Decimal(0)) + each.amount
    return {payment: str(amount) for payment, amount in sums.items() if amount}


def refunds_to_check(tx: Transaction) -> list[tuple[str, str, str]]:
    """Return the refunds to check on the patient's account as (payment, problem, uncovered amount)."""
    (account,) = distributing.show_account(tx, "patient")
    return [
        (each.payment, each.problem, str(each.uncovered)) for each in distributing.show_refunds_to_check(tx, account)
    ]


def unassigned_amount(tx: Transaction) -> str:
    return str(distributing.show_account(tx, "patient")[0].unassigned)


NOT_FOUND, ABOVE = "refunded_payment_not_found", "refund_above_payment"
AMOUNTS_BEFORE = {"clinic/a/1": "80.00", "clinic/b/1": "50.00"}
REFUND_CASES = {
    "its payment": ([refund("clinic/a/1")], {"clinic/a/1": "50.00", "clinic/b/1": "50.00"}, []),
    "an unknown line": ([refund("clinic/x/1")], AMOUNTS_BEFORE, [("clinic/refund/1", NOT_FOUND, "30.00")]),
    "a line of another patient": ([refund("clinic/c/1")], AMOUNTS_BEFORE, [("clinic/refund/1", NOT_FOUND, "30.00")]),
    "another line of the payment": ([refund("clinic/a/2")], AMOUNTS_BEFORE, [("clinic/refund/1", NOT_FOUND, "30.00")]),
    "a line in another case": ([refund("CLINIC/a/1")], AMOUNTS_BEFORE, [("clinic/refund/1", NOT_FOUND, "30.00")]),
    "a deleted line": (
        [deleted_payment(payment_id="a", version=2), refund("clinic/a/1")],
        {"clinic/b/1": "50.00"},
        [("clinic/refund/1", ABOVE, "30.00")],
    ),
    "more than was paid": (
        [refund("clinic/b/1", "-80.00")],
        {"clinic/a/1": "80.00"},
        [("clinic/refund/1", ABOVE, "30.00")],
    ),
    "a refund": (
        [refund("clinic/a/1"), refund("clinic/refund/1", payment_id="again")],
        {"clinic/a/1": "50.00", "clinic/b/1": "50.00"},
        [("clinic/again/1", ABOVE, "30.00")],
    ),
}


@pytest.mark.parametrize("case", REFUND_CASES)
def test_refund_of_a_line_unapplies_only_that_line(tx: Transaction, office: Office, case: str) -> None:
    events, expected, problems = REFUND_CASES[case]

    office.publish(*events)
    office.distribute_all()

    assert (applied_amounts(tx), refunds_to_check(tx)) == (expected, problems)


def test_refund_of_another_company_stays_unlinked(tx: Transaction, office: Office) -> None:
    own = {"company_id": "other", "clinic_id": "elsewhere"}
    there = Office(tx, TODAY, "other", "elsewhere")

    there.publish(refund("clinic/a/1", **own))
    there.distribute_all()

    assert applied_amounts(tx) == AMOUNTS_BEFORE
    accounts = distributing.show_account(tx, "patient")
    found = [each for account in accounts for each in distributing.show_refunds_to_check(tx, account)]
    assert [(each.company, each.payment, each.problem) for each in found] == [
        ("other", "elsewhere/refund/1", NOT_FOUND)
    ]


def test_refund_before_its_payment_is_linked_when_the_payment_arrives(tx: Transaction, office: Office) -> None:
    office.publish(refund("clinic/late/1"))
    assert (applied_amounts(tx), refunds_to_check(tx)) == (AMOUNTS_BEFORE, [("clinic/refund/1", NOT_FOUND, "30.00")])
    assert unassigned_amount(tx) == "-30.00"

    office.publish(
        visit_payment("2026-06-05", "45.00", "late"), saved_charge("late", "60.00", date_of_service="2026-06-05")
    )
    office.distribute_all()

    assert (applied_amounts(tx), refunds_to_check(tx)) == (AMOUNTS_BEFORE | {"clinic/late/1": "15.00"}, [])


def test_refund_of_an_id_with_slashes_is_linked(tx: Transaction, office: Office) -> None:
    office.publish(
        visit_payment("2026-06-04", "60.00", "x/y", line_id="1/2"),
        saved_charge("c", "60.00", date_of_service="2026-06-04"),
    )
    office.distribute_all()

    office.publish(refund("clinic/x/y/1/2"))

    assert (applied_amounts(tx), refunds_to_check(tx)) == (AMOUNTS_BEFORE | {"clinic/x/y/1/2": "30.00"}, [])


def test_refund_stored_with_a_key_of_an_earlier_contract_touches_no_other_payment(
    tx: Transaction, office: Office
) -> None:
    """The refund is stored as an earlier release stored it. That release accepted any text in `refund_of`."""
    office.publish(refund("clinic/a/1"))
    tx.execute(text("UPDATE lines SET refund_of = 'a' WHERE payment_id = 'refund'"))
    office.distribute_all()
    assert (applied_amounts(tx), refunds_to_check(tx)) == (AMOUNTS_BEFORE, [("clinic/refund/1", NOT_FOUND, "30.00")])


def test_refund_stored_with_wrong_fields_by_an_earlier_release_can_be_requeued(tx: Transaction) -> None:
    office = Office(tx, TODAY, charge_types=[])
    office.publish(refund("clinic/a/1"))
    wrong = "refund_of = 'a', amount_due = -30, amount_paid = 30, case_id = ' 7', provider_id = '\u200b'"
    tx.execute(text(f"UPDATE lines SET {wrong}"))
    office.now += timedelta(seconds=1)
    everything = SettingsUpdate("clinic", "company", integration=True, charge_types=list(ChargeType))
    configuring.set_clinic(tx, everything, now=office.now, who="user:admin")

    office.requeue(["clinic/refund/1"])
    office.distribute_all()

    assert office.ledger_entries() == [("2026-06-08", "30.00", "Cash")]


def test_refunds_to_check_are_limited_to_the_users_clinics(tx: Transaction, office: Office) -> None:
    office.publish(refund("clinic/x/1"))
    (account,) = distributing.show_account(tx, "patient")

    assert len(distributing.show_refunds_to_check(tx, account, Scope.of_clinics("clinic"))) == 1
    assert distributing.show_refunds_to_check(tx, account, Scope.of_clinics("elsewhere")) == []
