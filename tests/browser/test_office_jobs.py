"""The jobs of an office, done as a person would do them, at a desk and with a phone."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.acceptance.events import line_key, patient, payment
from tests.acceptance.stack import Stack
from tests.browser.conftest import PASSWORD, WIDTHS, ZONE
from tests.browser.person import Person

SIZES = ("desk", "phone")
OWN = "quite another horse"
Start = Callable[[str, str, str], Person]
Visit = Callable[[str, str], Person]


@pytest.fixture
def start(logged_in: Callable[..., Page], screenshot_folder: Path) -> Start:
    """Return a function that returns a user at the first page after the login, with a job to do."""

    def begin(name: str, job: str, width: str) -> Person:
        return Person(logged_in(name, width), job, width, screenshot_folder)

    return begin


@pytest.fixture
def visit(chromium: Browser, address: str, screenshot_folder: Path) -> Iterator[Visit]:
    """Return a function that returns a person at the login page."""
    contexts = []

    def begin(job: str, width: str) -> Person:
        across, down = WIDTHS[width]
        viewport = {"width": across, "height": down}
        contexts.append(chromium.new_context(base_url=address, viewport=viewport, timezone_id=ZONE))
        page = contexts[-1].new_page()
        page.goto("/")
        return Person(page, job, width, screenshot_folder)

    yield begin
    for context in contexts:
        context.close()


@pytest.mark.parametrize("width", SIZES)
def test_support_finds_a_missing_copay_by_the_name_of_the_patient(
    console_stack: Stack, start: Start, width: str
) -> None:
    clinic = f"named-{width}"
    console_stack.set_clinic(clinic, "Deductible")
    name = f"Beatrix Kiddo-{width}"
    console_stack.publish(
        patient(f"{clinic}-bea") | {"name": name}, payment(clinic, "copay", patient_id=f"{clinic}-bea")
    )
    console_stack.wait_until_idle()
    support = start("sue", "a: find a missing copay", width)

    support.fill("Search everywhere", f"kiddo-{width}", enter=True)
    support.sees(name)
    payments = support.page.get_by_role("region", name="Payments")
    expect(payments).to_contain_text("Not Sent")
    expect(payments).to_contain_text("This charge type was not selected when the payment was saved.")
    support.click(payments.get_by_role("link", name=line_key(clinic, "copay")))

    expect(support.page.get_by_role("region", name="Current state")).to_contain_text("Not Sent")
    support.is_done()


@pytest.mark.parametrize("width", SIZES)
def test_manager_closes_a_month(console_stack: Stack, start: Start, width: str) -> None:
    clinic, company = f"month-{width}", f"month-co-{width}"
    here = {"company_id": company, "transaction_date": "2026-05-05", "date_of_service": "2026-05-05"}
    console_stack.run_successfully(
        "settings", "set", clinic, "--company", company, "--integration", "on", "--types", "Copay"
    )
    console_stack.publish(patient(f"{clinic}-ada") | {"company_id": company}, payment(clinic, "visit", "25.00", **here))
    console_stack.wait_until_idle()
    manager = start("bill", "e: close a month", width)

    manager.go("Months")
    manager.choose("Company", company)
    manager.click("Show")
    manager.click("2026-05", "link")
    manager.sees("Payments total of this month:")
    manager.click("Close now")
    manager.fill("Type 2026-05 to confirm", "2026-05")
    manager.click("Close 2026-05 permanently")

    manager.sees("The ledger still matches it.")
    manager.is_done()


@pytest.mark.parametrize("width", SIZES)
def test_administrator_adds_a_limited_user_who_changes_the_password(
    console_stack: Stack, start: Start, visit: Visit, width: str
) -> None:
    company, name = f"users-co-{width}", f"kim-{width}"
    for clinic in (f"own-{width}", f"other-{width}"):
        console_stack.run_successfully(
            "settings", "set", clinic, "--company", company, "--integration", "on", "--types", "Copay"
        )
    admin = start("ann", "f: add a limited user", width)

    admin.go("Users")
    admin.click("New user", "link")
    admin.fill_field("Name", name)
    admin.fill_field("First password", PASSWORD)
    admin.check("Billing", "radio")
    admin.check(company)
    admin.check(f"own-{width}")
    admin.click("Add user")
    admin.sees(f"User {name} added.")
    admin.is_done()

    user = visit("f: change the own password", width)
    log_in(user, name, PASSWORD)
    user.sees("Choose a new password.")
    user.fill_field("Current password", PASSWORD)
    user.fill_field("New password", OWN)
    user.fill_field("New password again", OWN)
    user.click("Change password")
    expect(user.page.get_by_role("heading", name="Overview")).to_be_visible()
    user.is_done()

    user.go("Clinics")
    expect(user.page.get_by_role("link", name=f"own-{width}")).to_be_visible()
    expect(user.page.get_by_role("link", name=f"other-{width}")).to_have_count(0)


def log_in(user: Person, name: str, password: str) -> None:
    user.fill("Name", name)
    user.fill("Password", password, enter=True)
