"""A biller balances a week with the EMR's Payment Log. In the log one payment is missing and one amount differs."""

from collections.abc import Callable

import pytest
from playwright.sync_api import expect

from tests.acceptance.events import ALL_TYPES, PAYMENT_DAY, line_key, patient, payment
from tests.acceptance.stack import Stack
from tests.browser.person import Person

LOG_COLUMNS = "clinic_id,payment_id,line_id,transaction_date,amount_paid,charge_type,internal_payment,paid"


def payment_log_of(clinic: str, amounts: dict[str, str]) -> bytes:
    """Return the EMR's Payment Log of a clinic, with the amount of each payment."""
    rows = [
        f"{clinic},{payment_id},1,{PAYMENT_DAY},{amount},Copay,false,true" for payment_id, amount in amounts.items()
    ]
    return "\n".join([LOG_COLUMNS, *rows, ""]).encode()


@pytest.mark.parametrize("width", ["desk", "phone"])
def test_biller_finds_the_differences_between_an_emr_log_and_billing(
    console_stack: Stack, log_in_person: Callable[[str, str, str], Person], width: str
) -> None:
    clinic = f"file-{width}"
    console_stack.set_clinic(clinic, ALL_TYPES)
    known = {"equal": "25.00", "changed": "30.00", "missing": "9.00"}
    console_stack.publish(
        patient(f"{clinic}-ada"), *(payment(clinic, payment_id, amount) for payment_id, amount in known.items())
    )
    console_stack.wait_until_idle()
    biller = log_in_person("bill", "c: balance a week with a file", width)
    page = biller.page

    biller.go("Payment Balancing")
    biller.click(page.locator("summary", has_text="Compare with the EMR's own Payment Log"))
    biller.choose_file(
        "CSV file of the EMR", "week.csv", payment_log_of(clinic, {"equal": "25.00", "changed": "35.00"})
    )
    biller.click("Upload and preview")
    biller.sees("2 rows were read")
    page.get_by_label("From").fill("2026-10-05")
    page.get_by_label("To", exact=True).fill("2026-10-11")
    biller.click("Compare with Billing")

    expect(page.get_by_role("status").first).to_contain_text("unexplained, on 2 payments")
    total = page.get_by_role("region", name="Sum")
    for what, amount in (("EMR, by transaction date", "$60.00"), ("Billing, imports by deposit date", "$64.00")):
        expect(total.get_by_role("row").filter(has_text=what)).to_contain_text(amount)
    lines = page.locator("#lines").get_by_role("row")
    expect(lines.filter(has_text=line_key(clinic, "changed"))).to_contain_text("$5.00")
    expect(lines.filter(has_text=line_key(clinic, "missing"))).to_contain_text("$9.00")
    biller.click(lines.get_by_role("link", name=line_key(clinic, "missing")))
    expect(page.get_by_role("region", name="Current state")).to_contain_text("Transmission Successful")
    biller.is_done(desk=6, phone=7)
