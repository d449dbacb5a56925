"""Changes to a closed month become exceptions. Accepting an exception adjusts the current month."""

import json
import time
from datetime import UTC, datetime
from decimal import Decimal

from tests.acceptance.events import Event, deletion, line_key, patient, payment, total_amount
from tests.acceptance.stack import JsonRow, Stack

COMPANY = CLINIC = "closing"
DAY = {"transaction_date": "2020-05-13", "date_of_service": "2020-05-13"}


def months(stack: Stack) -> dict[str, JsonRow]:
    rows = json.loads(stack.run_successfully("months", "list", "--company", COMPANY, "--format", "json"))
    return {row["month"]: row for row in rows}


def publish(stack: Stack, *events: Event) -> None:
    """Publish events of the company and wait until they are processed."""
    stack.publish(*(event | {"company_id": COMPANY} for event in events))
    stack.wait_until_idle()


def exceptions(stack: Stack, *arguments: str) -> list[JsonRow]:
    return [row for row in stack.report("exceptions", *arguments) if row["company"] == COMPANY]


def test_closed_month_changes_are_adjusted_in_the_current_month(stack: Stack) -> None:
    stack.run_successfully(*f"settings set {CLINIC} --company {COMPANY} --integration on --types Copay".split())
    before = payment(CLINIC, "edited", "25.00", **DAY), payment(CLINIC, "deleted", "50.00", **DAY)
    publish(stack, patient(f"{CLINIC}-ada"), *before)
    assert "75.00" in stack.run_successfully("months", "close", COMPANY, "2020-05")
    closed = months(stack)["2020-05"]
    assert (closed["state"], closed["payments_total"]) == ("CLOSED", "75.00")
    as_of = ("--to", "2020-05-31", "--as-of", datetime.now(UTC).isoformat(), "--format", "csv")
    log = stack.run_successfully("report", "payment-log", "--patient", f"{CLINIC}-ada", *as_of)

    after = payment(CLINIC, "added", "40.00", **DAY), payment(CLINIC, "edited", "35.00", version=2, **DAY)
    publish(stack, *after, deletion(CLINIC, "deleted", version=2))

    found = {row["payment"]: row for row in exceptions(stack)}
    assert {payment: (row["case"], row["difference"]) for payment, row in found.items()} == {
        line_key(CLINIC, "added"): ("added", "40.00"),
        line_key(CLINIC, "edited"): ("edited", "10.00"),
        line_key(CLINIC, "deleted"): ("deleted", "-50.00"),
    }
    assert total_amount(stack.payment_log(CLINIC)) == 75
    output = stack.run_successfully("exceptions", "accept", "--all", "--company", COMPANY)
    assert output.splitlines()[-1] == "3 of 3 exceptions accepted"

    assert exceptions(stack) == []
    assert {row["status"] for row in exceptions(stack, "--status", "all")} == {"resolved"}
    adjustments = [row for row in stack.payment_log(CLINIC) if row["kind"] == "adjustment"]
    assert sorted(Decimal(row["amount"]) for row in adjustments) == [-50, 10, 40]
    assert months(stack)["2020-05"] == closed
    (this_month,) = {row["deposit_date"][:7] for row in adjustments}
    assert months(stack)[this_month]["payments_total"] == "0.00"
    verified = stack.run_successfully("months", "verify", COMPANY, "2020-05")
    assert verified == f"{COMPANY} 2020-05 matches its closing. Payments total: 75.00.\n"
    assert stack.run_successfully("report", "payment-log", "--patient", f"{CLINIC}-ada", *as_of) == log
    steps = json.loads(stack.run_successfully("timeline", line_key(CLINIC, "edited"), "--format", "json"))
    assert [step["what"] for step in steps][:3] == ["Imported", "Billing Exception", "Exception opened"]
    assert (steps[-1]["what"], steps[-1]["who"][:4]) == ("Exception accepted", "cli:")


def test_auto_policy_posts_adjustments_automatically(stack: Stack) -> None:
    clinic = company = "no-questions"
    stack.run_successfully(*f"settings set {clinic} --company {company} --integration on --types Copay".split())
    stack.run_successfully("company", "set", company, "--adjustments", "auto")
    stack.publish(
        patient(f"{clinic}-ada") | {"company_id": company}, payment(clinic, "late", company_id=company, **DAY)
    )
    stack.wait_until_idle()
    stack.run_successfully("months", "close", company, "2020-05")

    stack.publish(deletion(clinic, "late", version=2) | {"company_id": company})
    deadline = time.monotonic() + 10
    while len(rows := stack.payment_log(clinic)) < 2:
        assert time.monotonic() < deadline, stack.run_successfully("timeline", line_key(clinic, "late"))
        time.sleep(0.1)

    assert [(row["amount"], row["user"]) for row in rows][1:] == [("-25.00", "company policy: auto")]
