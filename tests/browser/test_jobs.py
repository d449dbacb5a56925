"""The main workflows of support, billers and operators in a browser."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.acceptance.events import line_key, patient, payment
from tests.acceptance.stack import Stack
from tests.browser.closed_month import change_a_closed_month

LogInFunction = Callable[..., Page]


def test_support_requeues_a_not_sent_payment_after_selecting_its_type(
    console_stack: Stack, logged_in: LogInFunction, screenshot_folder: Path
) -> None:
    clinic = "shoe-shop"
    console_stack.set_clinic(clinic, "Copay")
    console_stack.publish(patient(f"{clinic}-ada"), payment(clinic, "shoes", "9.00", charge_type="Supplies"))
    console_stack.wait_until_idle()
    page = logged_in("sue")

    page.get_by_role("link", name="Claims Feed").click()
    page.get_by_role("combobox", name="Transmission").select_option("Not Sent")
    page.get_by_label("Patient or payment").fill(f"{clinic}-ada")
    page.keyboard.press("Enter")
    row = page.get_by_role("row").filter(has_text=line_key(clinic, "shoes"))
    expect(row).to_contain_text("This charge type was not selected when the payment was saved.")
    expect(row).to_contain_text("2026-10-05 10:01")  # where the browser is
    page.screenshot(path=screenshot_folder / "support-1-not-sent.png")

    row.get_by_role("link", name=line_key(clinic, "shoes")).click()
    page.get_by_role("main").get_by_role("link", name="Clinic settings").click()
    page.get_by_label("Supplies").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("1 payment of this clinic is Not Sent")).to_be_visible()
    page.screenshot(path=screenshot_folder / "support-2-selected.png")
    page.get_by_role("link", name="Requeue it").click()
    expect(page.get_by_text("1 payment matches")).to_be_visible()
    page.get_by_role("button", name="Requeue 1 payment").click()
    expect(page.get_by_role("status").first).to_contain_text("1 of 1 payment requeued")
    expect(page.get_by_text("All payments are requeued.")).to_be_visible()
    page.screenshot(path=screenshot_folder / "support-3-requeued.png")

    console_stack.wait_until_idle()
    page.goto(f"/timeline?payment={line_key(clinic, 'shoes')}")
    expect(page.get_by_role("region", name="Current state")).to_contain_text("Transmission Successful")
    expect(page.get_by_role("region", name="Timeline").get_by_role("cell", name="sue", exact=True)).to_be_visible()
    page.screenshot(path=screenshot_folder / "support-4-arrived.png")


def test_biller_resolves_added_edited_and_deleted_exceptions(
    console_stack: Stack, logged_in: LogInFunction, screenshot_folder: Path
) -> None:
    clinic = "closed-clinic"
    change_a_closed_month(console_stack, clinic, "closed-co")
    page = logged_in("bill")

    page.get_by_role("link", name="Billing Exceptions").click()
    page.get_by_role("combobox", name="Clinic").select_option(clinic)
    page.get_by_role("button", name="Show").click()
    rows = page.get_by_role("region", name="Billing Exceptions").get_by_role("row")
    for name, case, entry in (("added", "Added", "$15.00 Cash"), ("edited", "Edited", "$10.00 Cash")):
        row = rows.filter(has_text=line_key(clinic, name))
        expect(row).to_contain_text(f"{case} when month is closed")
        expect(row).to_contain_text(entry)
    expect(rows.filter(has_text=line_key(clinic, "deleted"))).to_contain_text("\u2212$40.00 Cash")
    page.screenshot(path=screenshot_folder / "biller-1-exceptions.png")

    edited = rows.filter(has_text=line_key(clinic, "edited"))
    edited.get_by_role("button", name=re.compile("Accept exception")).click()
    expect(edited).to_contain_text("Posted $10.00 Cash")
    gone = rows.filter(has_text=line_key(clinic, "deleted"))
    gone.locator("summary", has_text="More actions").click()
    gone.get_by_label("Reason for not posting").fill("paid out in cash already")
    gone.get_by_role("button", name="Acknowledge").click()
    expect(gone).to_contain_text("Acknowledged")
    page.get_by_role("checkbox", name=re.compile("Select exception")).check()
    page.get_by_role("button", name=re.compile("Accept 1 selected")).click()
    page.get_by_role("button", name="Accept 1 exception").click()
    expect(page.get_by_role("heading", name="1 of 1 exception accepted")).to_be_visible()
    page.get_by_role("link", name="Back to Billing Exceptions").click()
    expect(page.get_by_text("No matching exceptions.")).to_be_visible()

    amounts = {
        row["payment"]: row["amount"] for row in console_stack.payment_log(clinic) if row["kind"] == "adjustment"
    }
    assert amounts == {line_key(clinic, "added"): "15.00", line_key(clinic, "edited"): "10.00"}


def test_biller_balances_a_week_and_follows_a_difference(
    console_stack: Stack, logged_in: LogInFunction, screenshot_folder: Path
) -> None:
    clinic = "weekly"
    console_stack.set_clinic(clinic, "Copay")
    console_stack.publish(
        patient(f"{clinic}-ada"),
        payment(clinic, "visit", "25.00"),
        payment(clinic, "shoes", "9.00", charge_type="Supplies"),
        payment(clinic, "staff", "5.00", internal_payment=True),
    )
    console_stack.wait_until_idle()
    page = logged_in("bill")

    page.get_by_role("link", name="Payment Balancing").click()
    page.get_by_label("From").fill("2026-10-05")
    page.get_by_label("To", exact=True).fill("2026-10-11")
    page.get_by_role("combobox", name="Clinic").select_option(clinic)
    page.get_by_role("button", name="Balance").click()

    expect(page.get_by_role("status").first).to_contain_text("Balanced to the cent.")
    total = page.get_by_role("table").first
    for what, amount in (
        ("EMR, by transaction date", "39.00"),
        ("less Internal", "5.00"),
        ("less Not Sent", "9.00"),
        ("less Unexplained", "0.00"),
        ("Billing, imports by deposit date", "25.00"),
    ):
        expect(total.get_by_role("row").filter(has_text=what)).to_contain_text(amount)
    page.screenshot(path=screenshot_folder / "biller-2-balanced.png", full_page=True)
    page.get_by_role("link", name=line_key(clinic, "shoes")).click()
    expect(page.get_by_role("region", name="Current state")).to_contain_text("Not Sent")


def test_requeue_works_without_scripts(console_stack: Stack, logged_in: LogInFunction) -> None:
    clinic = "no-scripts"
    console_stack.set_clinic(clinic, "Copay")
    console_stack.publish(patient(f"{clinic}-ada"), payment(clinic, "shoes", "9.00", charge_type="Supplies"))
    console_stack.wait_until_idle()
    page = logged_in("sue", javascript=False)

    page.goto(f"/claims-feed?clinic={clinic}")
    page.get_by_label(f"Select {line_key(clinic, 'shoes')}").check()
    page.get_by_role("button", name="Requeue selected").click()
    page.get_by_role("button", name="Requeue 1 payment").click()

    expect(page.get_by_role("status").first).to_contain_text("1 of 1 payment requeued")


def test_operator_reaches_flower_and_returns(logged_in: LogInFunction, screenshot_folder: Path) -> None:
    page = logged_in("ann")

    page.get_by_role("link", name="Flower").click()
    page.get_by_role("link", name="Tasks").click()
    expect(page.locator("#tasks-table")).to_contain_text("billing.detect_exceptions")
    page.screenshot(path=screenshot_folder / "operator-1-flower.png")
    page.get_by_role("link", name="Payments console").click()

    expect(page.get_by_role("heading", name="Overview")).to_be_visible()
