"""A patient's account from the EMR's charges and payments to what is still owed."""

import time
import uuid
from decimal import Decimal

from tests.acceptance.events import ALL_TYPES, COMPANY, DAY, Event, deletion, key, patient, payment, total
from tests.acceptance.stack import Row, Stack

CLINIC, ADA = "account", "account-ada"
AT_ONCE_SECONDS = 8
"""Well before anything that a night does; a busy machine may be slow."""


def charge(charge_id: str, balance: str, day: str, *, version: int = 1) -> Event:
    return {
        "schema": 1,
        "type": "charge.saved",
        "event_id": str(uuid.uuid4()),
        "company_id": COMPANY,
        "clinic_id": CLINIC,
        "patient_id": ADA,
        "charge_id": charge_id,
        "version": version,
        "saved_at": f"{DAY}T12:00:00-07:00",
        "date_of_service": day,
        "patient_balance": balance,
        "insurance_open": False,
    }


def account(stack: Stack) -> Row:
    """Return the account, once it is seen to add up."""
    (row,) = stack.report("account", ADA)
    applied = sum(Decimal(each["amount"]) for each in row["applied"])
    assert Decimal(row["payments_total"]) == total(row["payments"]) == applied + Decimal(row["unassigned"])
    assert Decimal(row["unassigned"]) == sum(Decimal(each["unassigned"]) for each in row["payments"])
    return row


def until(stack: Stack, unassigned: str, balance: str) -> Row:
    """Wait until so much is unassigned and still owed."""
    deadline = time.monotonic() + AT_ONCE_SECONDS
    while ((row := account(stack))["unassigned"], row["balance"]) != (unassigned, balance):
        assert time.monotonic() < deadline, row
        time.sleep(0.1)
    return row


def test_a_payment_on_account_is_applied_as_soon_as_something_is_owed_and_comes_back_when_it_is_not(
    stack: Stack,
) -> None:
    stack.set_clinic(CLINIC, ALL_TYPES)
    on_account = {"charge_type": "Payment on Account", "date_of_service": None}
    stack.publish(patient(ADA), payment(CLINIC, "ahead", "40.00", **on_account), payment(CLINIC, "visit", "9.00"))
    stack.settle()
    before = account(stack)
    assert (before["payments_total"], before["unassigned"], before["balance"]) == ("49.00", "49.00", "0.00")

    stack.publish(charge("new", "15.00", "2026-09-14"), charge("old", "30.00", "2026-08-03"))

    row = until(stack, "9.00", "5.00")
    assert {(each["charge"], each["amount"]) for each in row["applied"]} >= {(f"{CLINIC}/old", "30.00")}
    assert {each["rule"] for each in row["applied"]} == {"Payment on Account: at once, oldest date of service first"}
    assert {each["payment"] for each in row["applied"]} == {key(CLINIC, "ahead")}

    stack.publish(charge("old", "0.00", "2026-08-03", version=2))
    until(stack, "34.00", "0.00")

    stack.publish(deletion(CLINIC, "ahead", version=2))
    until(stack, "9.00", "15.00")


def test_the_night_s_rules_wait_until_they_are_asked_for(stack: Stack) -> None:
    (before,) = stack.report("account", ADA)
    assert before["balance"] == "15.00"

    tried = stack.do("distribute", "--dry-run")

    assert "Rule 3" in tried
    assert stack.report("account", ADA) == [before]
    stack.do("distribute")
    assert (account(stack)["unassigned"], account(stack)["balance"]) == ("0.00", "6.00")
