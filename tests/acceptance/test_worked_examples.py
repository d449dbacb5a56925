"""The worked examples of closed months on a running stack (rules D3, D4 and D8)."""

import json
from collections import defaultdict

import pytest

from tests.acceptance.events import ALL_TYPES, Event, deletion, line_key, patient, payment
from tests.acceptance.stack import JsonRow, Stack
from tests.acceptance.test_account import charge
from tests.builders.worked_examples import EXAMPLES, W3, W6, W15, Example

CLINIC = COMPANY = "worked"
MONTHS = ("2020-04", "2020-05", "2020-06")
EXAMPLE_BY_NAME = {example.name.split()[0]: example for example in EXAMPLES}


def with_example_ids(event: Event, name: str) -> Event:
    """Return a copy of the event with the company and the patient of this example."""
    about = event | {"company_id": COMPANY}
    return about | {"patient_id": f"{CLINIC}-{name}"} if "patient_id" in about else about


def payment_saved_event(name: str, version: int, saved_at: str, content: dict) -> Event:
    return with_example_ids(payment(CLINIC, name, version=version, saved_at=saved_at, **content), name)


def change_event(name: str, example: Example) -> Event:
    """Return the event that changes an example after the months were closed."""
    if example.now:
        return payment_saved_event(name, 2, example.saved_at, example.now)
    return with_example_ids(deletion(CLINIC, name, version=2), name) | {"saved_at": example.saved_at}


def month_totals(stack: Stack) -> list[str]:
    """Return the total payments of April, May and June."""
    rows = json.loads(stack.run_successfully("months", "list", "--company", COMPANY, "--format", "json"))
    found = {row["month"]: row["payments_total"] for row in rows}
    return [found.get(month, "0.00") for month in MONTHS]


def exceptions_by_payment(stack: Stack) -> dict[str, JsonRow]:
    rows = stack.report("exceptions")
    return {row["payment"].split("/")[1]: row for row in rows if row["company"] == COMPANY}


def entries_by_payment(stack: Stack) -> dict[str, list[tuple[str, str, str]]]:
    """Return the ledger entries of each payment as (deposit date, amount, method)."""
    found = defaultdict(list)
    for row in stack.payment_log(CLINIC):
        found[row["payment"].split("/")[1]].append((row["deposit_date"], row["amount"], row["method"]))
    return found


@pytest.fixture(scope="module")
def stack_with_changes(stack: Stack) -> Stack:
    """The stack on June 15, after the EMR has changed payments of the closed April and May."""
    stack.run_successfully("settings", "set", CLINIC, "--company", COMPANY, "--integration", "on", "--types", ALL_TYPES)
    stack.publish(
        *(with_example_ids(patient("any"), name) for name in (*EXAMPLE_BY_NAME, "W16")),
        *(
            payment_saved_event(name, 1, "2020-05-13T10:00:00-07:00", example.before)
            for name, example in EXAMPLE_BY_NAME.items()
            if example.before
        ),
        with_example_ids(charge(CLINIC, "C1", "30.00", "2020-05-13"), "W6"),
        with_example_ids(charge(CLINIC, "C2", "20.00", "2020-05-20"), "W6"),
    )
    stack.wait_until_idle()
    stack.run_successfully("distribute", "--as-of", "2020-05-25")
    for month in MONTHS[:2]:
        stack.run_successfully("months", "close", COMPANY, month)
    stack.publish(*(change_event(name, example) for name, example in EXAMPLE_BY_NAME.items()))
    stack.wait_until_idle()
    return stack


def test_adjustments_of_closed_months_post_in_the_current_month(stack_with_changes: Stack) -> None:
    posted, found, before = (
        entries_by_payment(stack_with_changes),
        exceptions_by_payment(stack_with_changes),
        month_totals(stack_with_changes),
    )
    assert {name: (row["case"], row["difference"]) for name, row in found.items()} == {
        name: (example.case, example.difference) for name, example in EXAMPLE_BY_NAME.items()
    }
    for name, example in EXAMPLE_BY_NAME.items():
        proposal = [(entry["amount"], entry["method"]) for entry in found[name]["proposal"]]
        assert proposal == [row[1:] for row in example.posted]
    assert found["W15"]["note"] == "Late arrival: saved before 2020-05 was closed"
    assert before == ["85.00", "90.00", "0.00"]

    ids_of_june_16 = [row["id"] for name, row in found.items() if name != "W15"]
    stack_with_changes.run_successfully("exceptions", "accept", *ids_of_june_16, "--deposit-date", "2020-06-16")
    stack_with_changes.run_successfully(
        "exceptions", "accept", found["W15"]["id"], "--deposit-date", str(W15.accepted_on)
    )
    stack_with_changes.wait_until_idle()

    assert exceptions_by_payment(stack_with_changes) == {}
    assert entries_by_payment(stack_with_changes) == {
        name: posted[name] + example.posted for name, example in EXAMPLE_BY_NAME.items()
    }
    assert month_totals(stack_with_changes) == ["85.00", "90.00", "15.00"]
    for month in MONTHS[:2]:
        assert "matches its closing" in stack_with_changes.run_successfully("months", "verify", COMPANY, month)
    check_w6_unapplied(stack_with_changes)
    check_w8_edit_after_acceptance(stack_with_changes)
    check_w16_edit_in_open_month(stack_with_changes)


def check_w6_unapplied(stack: Stack) -> None:
    """Check W6: after the payment is unapplied, the patient again owes 30.00 on charge C1 and 20.00 on charge C2."""
    (account,) = stack.report("account", f"{CLINIC}-W6")
    assert W6.difference == "-50.00"
    assert (account["payments_total"], account["unassigned"], account["balance"]) == ("0.00", "0.00", "50.00")
    assert [(each["charge"], each["amount"]) for each in account["applied"]] == [
        ("worked/C1", "30.00"),
        ("worked/C2", "20.00"),
        ("worked/C2", "-20.00"),
        ("worked/C1", "-30.00"),
    ]


def check_w8_edit_after_acceptance(stack: Stack) -> None:
    """Check W8: an edit after acceptance is compared with the posted amount."""
    again = (W3.now or {}) | {"amount_due": "55.00", "amount_paid": "55.00"}
    stack.publish(payment_saved_event("W3", 3, "2020-06-20T10:00:00-07:00", again))
    stack.wait_until_idle()
    found = exceptions_by_payment(stack)["W3"]
    assert (found["case"], found["amount_before"], found["amount_now"]) == ("edited", "45.00", "55.00")

    stack.run_successfully("exceptions", "accept", found["id"], "--deposit-date", "2020-06-22")

    assert entries_by_payment(stack)["W3"][-1] == ("2020-06-22", "10.00", "Cash")
    assert month_totals(stack) == ["85.00", "90.00", "25.00"]


def check_w16_edit_in_open_month(stack: Stack) -> None:
    """Check W16: an edit in an open month keeps the deposit date, and the timeline shows the old amount."""
    day = {"transaction_date": "2020-06-05", "date_of_service": "2020-06-05"}
    for version, amount, june in ((1, "25.00", "50.00"), (2, "35.00", "60.00")):
        content = {"amount_due": amount, "amount_paid": amount, **day}
        stack.publish(payment_saved_event("W16", version, f"2020-06-{4 + version:02}T10:00:00-07:00", content))
        stack.wait_until_idle()
        assert month_totals(stack) == ["85.00", "90.00", june]

    assert (exceptions_by_payment(stack), {day for day, *_ in entries_by_payment(stack)["W16"]}) == ({}, {"2020-06-05"})
    steps = json.loads(stack.run_successfully("timeline", line_key(CLINIC, "W16"), "--format", "json"))
    assert [step["what"] for step in steps] == ["Imported", "Updated"]
    assert "25.00" in steps[0]["detail"]
