"""A payment from its save to the ledger, driven by commands."""

import time

from tests.acceptance.events import deletion, line_key, patient, payment, total_amount
from tests.acceptance.stack import JsonRow, Stack


def invalid_events_without_clinic(stack: Stack) -> list[JsonRow]:
    return [row for row in stack.report("claims-feed", "--status", "Validation Failed") if not row["clinic"]]


def test_payment_is_imported_updated_removed_and_requeued(stack: Stack) -> None:
    clinic = "main"
    stack.set_clinic(clinic, "Copay")
    earlier = invalid_events_without_clinic(stack)
    stack.publish(
        patient(f"{clinic}-ada"),
        payment(clinic, "visit"),
        payment(clinic, "shoes", "9.00", charge_type="Supplies"),
        payment(clinic, "wrong", "70.00"),
        b"{not json, and no clinic to be seen",
    )
    stack.wait_until_idle()

    feed = {payment: (row["status"], row["reason"]) for payment, row in stack.claims_feed(clinic).items()}
    assert feed[line_key(clinic, "visit")] == ("Transmission Successful", None)
    assert feed[line_key(clinic, "shoes")] == ("Not Sent", "type_not_selected")
    added = [row for row in invalid_events_without_clinic(stack) if row not in earlier]
    assert [(row["payment"], row["reason"]) for row in added] == [(None, "invalid_event")]
    assert {row["user"] for row in stack.payment_log(clinic)} == {"Integration Import, Not mapped to a user"}
    assert total_amount(stack.payment_log(clinic)) == 95

    stack.publish(payment(clinic, "visit", "35.00", version=2), deletion(clinic, "wrong", version=2))
    stack.wait_until_idle()

    assert total_amount(stack.payment_log(clinic)) == 35
    assert stack.claims_feed(clinic)[line_key(clinic, "visit")]["version"] == 2

    stack.set_clinic(clinic, "Copay,Supplies")
    stack.run_successfully("requeue", line_key(clinic, "shoes"))
    stack.run_successfully("requeue", line_key(clinic, "shoes"))
    stack.wait_until_idle()

    assert stack.claims_feed(clinic)[line_key(clinic, "shoes")]["status"] == "Transmission Successful"
    assert total_amount(stack.payment_log(clinic)) == 44
    output = stack.run_successfully("timeline", line_key(clinic, "shoes"), "--format", "json")
    assert all(word in output for word in ("Not Sent", "Requeued", "Imported"))


def test_payment_is_imported_once_its_patient_is_known(stack: Stack) -> None:
    clinic = "waiting"
    stack.set_clinic(clinic, "Copay")
    stack.publish(payment(clinic, "early"))
    stack.wait_until_idle()

    assert stack.claims_feed(clinic)[line_key(clinic, "early")]["status"] == "Transmission Pending"
    assert stack.payment_log(clinic) == []

    started = time.monotonic()
    stack.publish(patient(f"{clinic}-ada"))
    while stack.claims_feed(clinic)[line_key(clinic, "early")]["status"] != "Transmission Successful":
        assert time.monotonic() - started < 4, stack.run_successfully("timeline", line_key(clinic, "early"))

    assert total_amount(stack.payment_log(clinic)) == 25
