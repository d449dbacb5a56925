"""The front desk opens a drawer, counts it and prints the day sheet. A biller closes it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.acceptance.events import line_key, payment
from tests.acceptance.stack import Stack
from tests.browser.person import Person
from tests.browser.test_front_desk_jobs import open_clinic, take_payments_of_today

SCREEN_NAMES = ("desk", "phone")


def publish_late_payment(stack: Stack, clinic: str, day: str) -> None:
    """Publish a payment of the day, after its drawer was counted."""
    here = {"company_id": f"{clinic}-co", "transaction_date": day, "date_of_service": day}
    stack.publish(payment(clinic, "late", "7.00", **here))
    stack.wait_until_idle()


def check_print_layout(desk: Person, payment_key: str, screenshots: Path) -> None:
    """Check that the printed day sheet has the payments and lines to sign, and no forms."""
    desk.page.emulate_media(media="print")
    desk.page.screenshot(path=screenshots / f"print-drawer-{desk.width}.png", full_page=True)
    expect(desk.page.get_by_role("button", name="Save count")).to_be_hidden()
    expect(desk.page.get_by_text("Closed by ____")).to_be_visible()
    expect(desk.page.get_by_role("region", name="Payments of the drawer")).to_contain_text(payment_key)
    desk.page.emulate_media(media="screen")


@pytest.mark.parametrize("width", SCREEN_NAMES)
def test_front_desk_counts_a_drawer_and_a_biller_closes_it(
    console_stack: Stack, log_in_person: Callable[[str, str, str], Person], screenshot_folder: Path, width: str
) -> None:
    clinic = f"drawer-{width}"
    name = open_clinic(console_stack, clinic, "Copay")
    day = take_payments_of_today(console_stack, clinic)
    desk = log_in_person(name, "o: count a drawer", width)

    desk.go("Drawers")
    desk.click("Open a drawer")
    desk.fill_field("Starting cash", "100.00")
    desk.click("Open drawer")
    expect(desk.page.get_by_role("heading", name="Drawer ")).to_contain_text(f"{clinic}, {day}, shift 1")
    methods = desk.page.get_by_role("region", name="By method")
    expect(methods.get_by_role("row").filter(has_text="All methods")).to_contain_text("$134.00")
    desk.fill("$20 bills", "5")
    desk.fill("Check", "25.00")
    desk.click("Count and lock")
    desk.sees("The count differs from the payments.")
    desk.page.screenshot(path=screenshot_folder / f"drawer-locked-{width}.png", full_page=True)
    desk.fill("$1 bills", "9")
    desk.click("Save count")
    desk.sees("Another person can close it.")
    check_print_layout(desk, line_key(clinic, "visit"), screenshot_folder)
    desk.is_done(desk=5, phone=6)

    publish_late_payment(console_stack, clinic, day)
    biller = log_in_person("bill", "p: close a drawer", width)
    biller.page.goto(f"/drawers?clinic={clinic}")
    biller.click(biller.page.get_by_role("region", name="Drawers").get_by_role("row").nth(1).get_by_role("link"))
    expect(biller.page.get_by_text(line_key(clinic, "late"))).to_have_count(0)
    biller.click("Close drawer")
    biller.sees("no difference in total")
    expect(biller.page.get_by_role("button", name="Close drawer")).to_have_count(0)
    biller.is_done(desk=2, phone=2)
