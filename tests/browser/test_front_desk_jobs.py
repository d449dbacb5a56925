"""The front desk asks whether a payment would flow, and prints a day's payments. A biller prints the deposit slip."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.events import ALL_TYPES, line_key, patient, payment
from tests.acceptance.stack import Stack
from tests.browser.conftest import BROWSER_TIME_ZONE, PASSWORD
from tests.browser.person import Person

SCREEN_NAMES = ("desk", "phone")
LogInPersonFunction = Callable[[str, str, str], Person]


def open_clinic(stack: Stack, clinic: str, types: str) -> str:
    """Add a company, its clinic that sends `types`, and a front-desk user of this clinic. Return the user's name."""
    name, company = f"desk.of.{clinic}", f"{clinic}-co"
    stack.run_successfully("settings", "set", clinic, "--company", company, "--integration", "on", "--types", types)
    stack.run_successfully("company", "set", company, "--timezone", BROWSER_TIME_ZONE)
    limits = ("--role", "front-office", "--company", company, "--clinic", clinic)
    stack.run_successfully("users", "add", name, *limits, "--password-stdin", stdin=f"{PASSWORD}\n".encode())
    return name


def take_payments_of_today(stack: Stack, clinic: str) -> str:
    """Publish two payments of the current day, and return the day. One of them is Not Sent."""
    day = str(datetime.now(ZoneInfo(BROWSER_TIME_ZONE)).date())
    here = {"company_id": f"{clinic}-co", "transaction_date": day, "date_of_service": day}
    stack.publish(
        patient(f"{clinic}-ada") | {"company_id": f"{clinic}-co"},
        payment(clinic, "visit", "25.00", method="Check", reference="7731", **here),
        payment(clinic, "shoes", "9.00", charge_type="Supplies", **here),
    )
    stack.wait_until_idle()
    return day


def print_page(person: Person, screenshots: Path, name: str) -> Page:
    """Press the Print button of the page, and save a screenshot. Return the page in its print layout."""
    person.page.evaluate("window.print = () => { document.body.dataset.printed = 'yes' }")
    person.click("Print", exact=True)
    assert person.page.locator("body").get_attribute("data-printed") == "yes"
    person.page.emulate_media(media="print")
    person.page.screenshot(path=screenshots / f"print-{name}-{person.width}.png", full_page=True)
    expect(person.page.get_by_role("navigation", name="Pages")).to_be_hidden()
    expect(person.page.get_by_text("Signature")).to_be_visible()
    return person.page


@pytest.mark.parametrize("width", SCREEN_NAMES)
def test_front_desk_prints_the_payments_of_the_day(
    console_stack: Stack, log_in_person: LogInPersonFunction, screenshot_folder: Path, width: str
) -> None:
    clinic = f"print-{width}"
    name = open_clinic(console_stack, clinic, "Copay")
    day = take_payments_of_today(console_stack, clinic)
    desk = log_in_person(name, "d: print the day", width)

    desk.go("Payments of the day")
    expect(desk.page.get_by_role("heading", name="Payments of the day")).to_contain_text(f"{clinic}, {day}")
    paper = print_page(desk, screenshot_folder, "day")

    sums = paper.get_by_role("region", name="By method").get_by_role("row").filter(has_text="All methods")
    expect(sums).to_contain_text("$34.00")
    expect(sums).to_contain_text("$25.00")
    payments = paper.get_by_role("region", name="Payments of the day").get_by_role("row")
    expect(payments.filter(has_text=line_key(clinic, "visit"))).to_contain_text("7731")
    expect(payments.filter(has_text=line_key(clinic, "shoes"))).to_contain_text("Not Sent")
    desk.is_done(desk=2, phone=3)


@pytest.mark.parametrize("width", SCREEN_NAMES)
def test_biller_prints_the_deposit_slip_of_the_day(
    console_stack: Stack, log_in_person: LogInPersonFunction, screenshot_folder: Path, width: str
) -> None:
    clinic = f"slip-{width}"
    open_clinic(console_stack, clinic, "Copay")
    day = take_payments_of_today(console_stack, clinic)
    biller = log_in_person("bill", "d: print the deposit slip", width)

    biller.go("Patient Payment Log")
    biller.click("Deposit slip", "link")
    biller.choose("Clinic", clinic)
    biller.page.get_by_label("Deposit date").fill(day)
    biller.click("Show")
    expect(biller.page.get_by_role("heading", name="Deposit slip")).to_contain_text(f"{clinic}, {day}")
    paper = print_page(biller, screenshot_folder, "slip")

    expect(paper.get_by_role("region", name="Check").get_by_role("row").filter(has_text="7731")).to_contain_text(
        "$25.00"
    )
    biller.is_done(desk=5, phone=6)


@pytest.mark.parametrize("width", SCREEN_NAMES)
def test_front_desk_asks_whether_a_payment_would_flow(
    console_stack: Stack, log_in_person: LogInPersonFunction, width: str
) -> None:
    clinic = f"ask-{width}"
    name = open_clinic(console_stack, clinic, ALL_TYPES.replace("Supplies,", ""))
    desk = log_in_person(name, "h: ask whether a payment would flow", width)

    desk.go("Payment preview")
    desk.choose("Charge type", "Supplies")
    desk.click("Check", exact=True)
    answer = desk.page.get_by_role("status").first
    expect(answer).to_contain_text(f"Not Sent: Supplies is not selected in the settings of clinic {clinic}.")
    expect(answer).to_contain_text("ask support")
    desk.is_done(desk=3, phone=4)

    desk.choose("Charge type", "Copay")
    desk.click("Check", exact=True)
    expect(answer).to_contain_text("Will be sent. It is posted with the deposit date")
