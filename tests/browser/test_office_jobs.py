"""The jobs of managers and administrators, as a person does them, at a desk and with a phone."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.acceptance.events import patient, payment
from tests.acceptance.stack import Stack
from tests.browser.conftest import BROWSER_TIME_ZONE, PASSWORD, SCREEN_SIZES
from tests.browser.person import Person

SCREEN_NAMES = ("desk", "phone")
OWN_PASSWORD = "quite another horse"  # noqa: S105 (it opens nothing but these tests)
LogInPersonFunction = Callable[[str, str, str], Person]
OpenLoginPageFunction = Callable[[str, str], Person]


@pytest.fixture
def open_login_page(chromium: Browser, address: str, screenshot_folder: Path) -> Iterator[OpenLoginPageFunction]:
    """Return a function that opens the login page in a new browser and returns the Person there."""
    contexts = []

    def begin(job: str, width: str) -> Person:
        across, down = SCREEN_SIZES[width]
        viewport = {"width": across, "height": down}
        contexts.append(chromium.new_context(base_url=address, viewport=viewport, timezone_id=BROWSER_TIME_ZONE))
        page = contexts[-1].new_page()
        page.goto("/")
        return Person(page, job, width, screenshot_folder)

    yield begin
    for context in contexts:
        context.close()


@pytest.mark.parametrize("width", SCREEN_NAMES)
def test_manager_closes_a_month(console_stack: Stack, log_in_person: LogInPersonFunction, width: str) -> None:
    clinic, company = f"month-{width}", f"month-co-{width}"
    here = {"company_id": company, "transaction_date": "2026-05-05", "date_of_service": "2026-05-05"}
    console_stack.run_successfully(
        "settings", "set", clinic, "--company", company, "--integration", "on", "--types", "Copay"
    )
    console_stack.publish(patient(f"{clinic}-ada") | {"company_id": company}, payment(clinic, "visit", "25.00", **here))
    console_stack.wait_until_idle()
    manager = log_in_person("bill", "e: close a month", width)

    row = manager.page.get_by_role("region", name="Months to close").get_by_role("row").filter(has_text=company)
    manager.click(row.get_by_role("link", name="2026-05"))
    manager.sees("Payments total of this month:")
    manager.click("Close now")
    manager.fill("Type 2026-05 to confirm", "2026-05")
    manager.click("Close 2026-05 permanently")

    manager.sees("The ledger still matches it.")
    manager.is_done(desk=3, phone=3)


@pytest.mark.parametrize("width", SCREEN_NAMES)
def test_administrator_adds_a_limited_user_who_changes_the_password(
    console_stack: Stack, log_in_person: LogInPersonFunction, open_login_page: OpenLoginPageFunction, width: str
) -> None:
    company, name = f"users-co-{width}", f"kim-{width}"
    for clinic in (f"own-{width}", f"other-{width}"):
        console_stack.run_successfully(
            "settings", "set", clinic, "--company", company, "--integration", "on", "--types", "Copay"
        )
    admin = log_in_person("ann", "f: add a limited user", width)

    admin.go("Users")
    admin.click("Add user", "link")
    admin.fill_field("Name", name)
    admin.fill_field("Temporary password", PASSWORD)
    admin.check("Billing", "radio")
    admin.check(company)
    admin.check(f"own-{width}")
    admin.click("Add user")
    admin.sees(f"User {name} added.")
    admin.is_done(desk=6, phone=7)

    user = open_login_page("f: change the own password", width)
    log_in(user, name, PASSWORD)
    user.sees("Choose a new password.")
    user.fill_field("Current password", PASSWORD)
    user.fill_field("New password", OWN_PASSWORD)
    user.fill_field("Repeat new password", OWN_PASSWORD)
    user.click("Change password")
    expect(user.page.get_by_role("heading", name="Overview")).to_be_visible()
    user.is_done(desk=2, phone=2)

    user.go("Clinic settings")
    expect(user.page.get_by_role("link", name=f"own-{width}")).to_be_visible()
    expect(user.page.get_by_role("link", name=f"other-{width}")).to_have_count(0)


def log_in(user: Person, name: str, password: str) -> None:
    user.fill("User name", name)
    user.fill("Password", password, enter=True)
