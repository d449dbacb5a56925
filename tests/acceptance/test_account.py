"""A patient's account from charges and payments to the outstanding balance."""

import json
import time
from decimal import Decimal

from tests.acceptance.events import (
    ALL_TYPES,
    COMPANY,
    PAYMENT_DAY,
    Event,
    deletion,
    line_key,
    patient,
    payment,
    total_amount,
)
from tests.acceptance.stack import JsonRow, Stack
from tests.builders.events import event_fields

IMMEDIATE_DISTRIBUTION_SECONDS_MAX = 8
"""The longest wait for an immediate distribution: enough for a busy machine, and too short for the nightly one."""


def charge(clinic: str, charge_id: str, balance: str, day: str, *, version: int = 1) -> Event:
    """Return a `charge.saved` event for the clinic's patient."""
    return event_fields(
        "charge.saved",
        company_id=COMPANY,
        clinic_id=clinic,
        patient_id=f"{clinic}-ada",
        charge_id=charge_id,
        version=version,
        saved_at=f"{PAYMENT_DAY}T12:00:00-07:00",
        date_of_service=day,
        patient_balance=balance,
        insurance_open=False,
    )


def account(stack: Stack, clinic: str) -> JsonRow:
    """Return the account of a clinic's patient. Check that its amounts add up."""
    (row,) = stack.report("account", f"{clinic}-ada")
    applied = sum(Decimal(each["amount"]) for each in row["applied"])
    assert Decimal(row["payments_total"]) == total_amount(row["payments"]) == applied + Decimal(row["unassigned"])
    assert Decimal(row["unassigned"]) == sum(Decimal(each["unassigned"]) for each in row["payments"])
    return row


def wait_for_account(stack: Stack, clinic: str, unassigned: str, balance: str) -> JsonRow:
    """Wait until the account has this unassigned amount and balance."""
    deadline = time.monotonic() + IMMEDIATE_DISTRIBUTION_SECONDS_MAX
    while ((row := account(stack, clinic))["unassigned"], row["balance"]) != (unassigned, balance):
        assert time.monotonic() < deadline, row
        time.sleep(0.1)
    return row


def test_payment_on_account_is_applied_and_unapplied_immediately(
    stack: Stack,
) -> None:
    clinic = "on-account"
    stack.set_clinic(clinic, ALL_TYPES)
    ahead = payment(clinic, "ahead", "40.00", charge_type="Payment on Account", date_of_service=None)
    stack.publish(patient(f"{clinic}-ada"), ahead, payment(clinic, "visit", "9.00"))
    stack.wait_until_idle()
    before = account(stack, clinic)
    assert (before["payments_total"], before["unassigned"], before["balance"]) == ("49.00", "49.00", "0.00")

    stack.publish(charge(clinic, "old", "30.00", "2026-08-03"), charge(clinic, "new", "15.00", "2026-09-14"))

    row = wait_for_account(stack, clinic, "9.00", "5.00")
    assert [(each["payment"], each["charge"], each["amount"]) for each in row["applied"]] == [
        (line_key(clinic, "ahead"), f"{clinic}/old", "30.00"),
        (line_key(clinic, "ahead"), f"{clinic}/new", "10.00"),
    ]
    assert {each["rule"] for each in row["applied"]} == {
        "Payment on Account: immediately, oldest date of service first"
    }

    # The patient still owes 10.00 for the new charge, and paid 30.00 too much for the old one.
    stack.publish(charge(clinic, "old", "-30.00", "2026-08-03", version=2))
    wait_for_account(stack, clinic, "34.00", "0.00")

    stack.publish(deletion(clinic, "ahead", version=2))
    wait_for_account(stack, clinic, "9.00", "15.00")


def test_distribution_does_what_its_dry_run_shows(stack: Stack) -> None:
    clinic = "by-night"
    stack.set_clinic(clinic, ALL_TYPES)
    owed = charge(clinic, "visit", "15.00", PAYMENT_DAY)
    stack.publish(patient(f"{clinic}-ada"), owed, payment(clinic, "visit", "9.00"))
    stack.wait_until_idle()
    before = account(stack, clinic)
    assert (before["unassigned"], before["balance"]) == ("9.00", "15.00")

    allocations = json.loads(stack.run_successfully("distribute", "--dry-run", "--format", "json"))

    (allocation,) = [each for each in allocations if each["patient"] == f"{clinic}-ada"]
    assert (allocation["amount"], allocation["rule"]) == ("9.00", "Rule 2: charges of the payment's date of service")
    assert account(stack, clinic) == before
    stack.run_successfully("distribute")
    after = account(stack, clinic)
    assert (after["unassigned"], after["balance"]) == ("0.00", "6.00")
