"""The worked examples of closed months, through the whole stack."""

import json
from collections import defaultdict

import pytest

from tests.acceptance.events import ALL_TYPES, Event, deletion, key, patient, payment
from tests.acceptance.stack import Row, Stack
from tests.acceptance.test_account import charge
from tests.worked_examples import EXAMPLES, W3, W6, W15, Example

CLINIC = COMPANY = "worked"
MONTHS = ("2020-04", "2020-05", "2020-06")
ROWS = {example.name.split()[0]: example for example in EXAMPLES}


def said(event: Event, name: str) -> Event:
    """Let an event be about the patient of an example."""
    about = event | {"company_id": COMPANY}
    return about | {"patient_id": f"{CLINIC}-{name}"} if "patient_id" in about else about


def saves(name: str, version: int, saved_at: str, content: dict) -> Event:
    return said(payment(CLINIC, name, version=version, saved_at=saved_at, **content), name)


def changes(name: str, example: Example) -> Event:
    """Return what the EMR says after the months were closed."""
    if example.now:
        return saves(name, 2, example.saved_at, example.now)
    return said(deletion(CLINIC, name, version=2), name) | {"saved_at": example.saved_at}


def totals(stack: Stack) -> list[str]:
    """Return what stands in April, May and June."""
    rows = json.loads(stack.do("months", "list", "--company", COMPANY, "--format", "json"))
    found = {row["month"]: row["payments_total"] for row in rows}
    return [found.get(month, "0.00") for month in MONTHS]


def exceptions(stack: Stack) -> dict[str, Row]:
    rows = stack.report("exceptions")
    return {row["payment"].split("/")[1]: row for row in rows if row["company"] == COMPANY}


def entries(stack: Stack) -> dict[str, list[tuple[str, str, str]]]:
    """Return the ledger by payment, as (deposit date, amount, method)."""
    found = defaultdict(list)
    for row in stack.ledger(CLINIC):
        found[row["payment"].split("/")[1]].append((row["deposit_date"], row["amount"], row["method"]))
    return found


@pytest.fixture(scope="module")
def closed(stack: Stack) -> Stack:
    """The stack on June 15, when the EMR has changed what lies in April and May, which were closed by then."""
    stack.do("settings", "set", CLINIC, "--company", COMPANY, "--integration", "on", "--types", ALL_TYPES)
    stack.publish(
        *(said(patient("any"), name) for name in (*ROWS, "W16")),
        *(
            saves(name, 1, "2020-05-13T10:00:00-07:00", example.before)
            for name, example in ROWS.items()
            if example.before
        ),
        said(charge(CLINIC, "C1", "30.00", "2020-05-13"), "W6"),
        said(charge(CLINIC, "C2", "20.00", "2020-05-20"), "W6"),
    )
    stack.settle()
    stack.do("distribute", "--as-of", "2020-05-25")
    for month in MONTHS[:2]:
        stack.do("months", "close", COMPANY, month)
    stack.publish(*(changes(name, example) for name, example in ROWS.items()))
    stack.settle()
    return stack


def test_closed_months_keep_their_totals_and_adjustments_post_now(closed: Stack) -> None:
    stood, found, before = entries(closed), exceptions(closed), totals(closed)
    assert {name: (row["case"], row["difference"]) for name, row in found.items()} == {
        name: (example.case, example.difference) for name, example in ROWS.items()
    }
    for name, example in ROWS.items():
        proposal = [(entry["amount"], entry["method"]) for entry in found[name]["proposal"]]
        assert proposal == [row[1:] for row in example.posted]
    assert found["W15"]["note"] == "Late arrival: saved before 2020-05 was closed"
    assert before == ["85.00", "90.00", "0.00"]

    on_the_16th = [row["id"] for name, row in found.items() if name != "W15"]
    closed.do("exceptions", "accept", *on_the_16th, "--deposit-date", "2020-06-16")
    closed.do("exceptions", "accept", found["W15"]["id"], "--deposit-date", str(W15.accepted_on))
    closed.settle()

    assert exceptions(closed) == {}
    assert entries(closed) == {name: stood[name] + example.posted for name, example in ROWS.items()}
    assert totals(closed) == ["85.00", "90.00", "15.00"]
    for month in MONTHS[:2]:
        assert "holds" in closed.do("months", "verify", COMPANY, month)
    gives_back_what_was_applied(closed)
    is_edited_again(closed)
    is_edited_in_place(closed)


def gives_back_what_was_applied(stack: Stack) -> None:
    """Look at W6 in full: 30.00 had gone to C1 and then 20.00 to C2, and both are owed again."""
    (account,) = stack.report("account", f"{CLINIC}-W6")
    assert W6.difference == "-50.00"
    assert (account["payments_total"], account["unassigned"], account["balance"]) == ("0.00", "0.00", "50.00")
    assert [(each["charge"], each["amount"]) for each in account["applied"]] == [
        ("worked/C1", "30.00"),
        ("worked/C2", "20.00"),
        ("worked/C2", "-20.00"),
        ("worked/C1", "-30.00"),
    ]


def is_edited_again(stack: Stack) -> None:
    """Play W8: an edit after acceptance is found against what stands by then."""
    again = (W3.now or {}) | {"amount_due": "55.00", "amount_paid": "55.00"}
    stack.publish(saves("W3", 3, "2020-06-20T10:00:00-07:00", again))
    stack.settle()
    found = exceptions(stack)["W3"]
    assert (found["case"], found["amount_before"], found["amount_now"]) == ("edited", "45.00", "55.00")

    stack.do("exceptions", "accept", found["id"], "--deposit-date", "2020-06-22")

    assert entries(stack)["W3"][-1] == ("2020-06-22", "10.00", "Cash")
    assert totals(stack) == ["85.00", "90.00", "25.00"]


def is_edited_in_place(stack: Stack) -> None:
    """Play W16: an edit in an open month updates the existing line; the history keeps the earlier values."""
    day = {"transaction_date": "2020-06-05", "date_of_service": "2020-06-05"}
    for version, amount, june in ((1, "25.00", "50.00"), (2, "35.00", "60.00")):
        content = {"amount_due": amount, "amount_paid": amount, **day}
        stack.publish(saves("W16", version, f"2020-06-{4 + version:02}T10:00:00-07:00", content))
        stack.settle()
        assert totals(stack) == ["85.00", "90.00", june]

    assert (exceptions(stack), {day for day, *_ in entries(stack)["W16"]}) == ({}, {"2020-06-05"})
    steps = json.loads(stack.do("timeline", key(CLINIC, "W16"), "--format", "json"))
    assert [step["what"] for step in steps] == ["Imported", "Updated"]
    assert "25.00" in steps[0]["detail"]
