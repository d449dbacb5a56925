"""A biller makes a deposit of 60 checks, and prints the slip."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from tests.acceptance.events import patient, payment
from tests.acceptance.stack import Stack
from tests.browser.conftest import BROWSER_TIME_ZONE
from tests.browser.person import Person
from tests.browser.test_front_desk_jobs import open_clinic, print_page

CHECKS = 60


@pytest.mark.parametrize("width", ["desk", "phone"])
def test_biller_deposits_sixty_checks_and_prints_the_slip(
    console_stack: Stack, log_in_person: Callable[[str, str, str], Person], screenshot_folder: Path, width: str
) -> None:
    clinic, day = f"deposit-{width}", str(datetime.now(ZoneInfo(BROWSER_TIME_ZONE)).date())
    open_clinic(console_stack, clinic, "Copay")
    here = {"company_id": f"{clinic}-co", "transaction_date": day, "date_of_service": day, "method": "Check"}
    checks = [payment(clinic, f"check-{n}", "10.00", reference=f"{2000 + n}", **here) for n in range(CHECKS)]
    console_stack.publish(patient(f"{clinic}-ada") | {"company_id": f"{clinic}-co"}, *checks)
    console_stack.wait_until_idle()
    biller = log_in_person("bill", "q: make a deposit", width)

    biller.go("Deposits")
    biller.click("New deposit", "link")
    biller.choose("Clinic", clinic)
    biller.click("Show", exact=True)
    biller.sees(f"{CHECKS} entries")
    biller.page.screenshot(path=screenshot_folder / f"deposit-new-{width}.png", full_page=True)
    biller.fill_field("Bank account", "First Bank 1234")
    biller.click("Make deposit")
    biller.sees("$600.00")
    paper = print_page(biller, screenshot_folder, "deposit")

    rows = paper.get_by_role("region", name="Entries of the deposit").get_by_role("row")
    expect(rows.filter(has_text="20")).to_have_count(CHECKS)
    expect(rows.filter(has_text="2059")).to_be_visible()
    expect(paper.get_by_text("First Bank 1234").first).to_be_visible()
    biller.is_done(desk=6, phone=7)
