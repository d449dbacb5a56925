"""A refund, as two people handle it: one requests and issues it, the other approves it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.acceptance.events import patient, payment
from tests.acceptance.stack import Stack
from tests.browser.person import Person

LOOKS = (("light", 1280), ("dark", 1280), ("light", 390))


def is_accessible(page: Page, name: str, folder: Path) -> None:
    """Save screenshots of a page, and check that it fits each screen and that axe finds nothing."""
    for colors, width in LOOKS:
        page.emulate_media(color_scheme=colors, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 900})
        page.screenshot(path=folder / f"{name}-{width}-{colors}.png", full_page=True)
        assert not page.evaluate("document.documentElement.scrollWidth > innerWidth"), (name, width)
        found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        assert [each["help"] for each in found] == [], (name, colors, width)
    page.emulate_media(color_scheme="light")
    page.set_viewport_size({"width": 1280, "height": 900})


@pytest.mark.parametrize("width", ["desk"])
def test_refund_of_a_credit_is_approved_by_another_person(
    console_stack: Stack, log_in_person: Callable[[str, str, str], Person], screenshot_folder: Path, width: str
) -> None:
    clinic, company = "refund-desk", "refund-co"
    here = {"company_id": company, "patient_id": "refund-ada"}
    console_stack.run_successfully(
        "settings", "set", clinic, "--company", company, "--integration", "on", "--types", "Copay"
    )
    console_stack.publish(patient("refund-ada") | {"company_id": company}, payment(clinic, "visit", "25.00", **here))
    console_stack.wait_until_idle()
    biller, approver = log_in_person("bill", "refund a credit", width), log_in_person("ann", "approve a refund", width)

    biller.page.goto(f"/account?patient=refund-ada&company={company}")
    biller.click("New refund", "link")
    biller.sees("At most $25.00 can be paid back.")
    is_accessible(biller.page, "refund-new", screenshot_folder)
    biller.fill_field("Amount", "10.00")
    biller.fill_field("Reason", "paid twice")
    biller.click("Request")
    biller.sees("Another person must approve this refund before it is issued.")
    is_accessible(biller.page, "refund-requested", screenshot_folder)

    approver.go("Refunds")
    approver.click(approver.page.get_by_role("row").filter(has_text="refund-ada").get_by_role("link").first)
    is_accessible(approver.page, "refund-approve", screenshot_folder)
    approver.click("Approve")
    approver.sees("Approved")

    biller.page.reload()
    biller.fill_field("Reference", "check 2044")
    biller.click("Issue")
    biller.sees("issued: posted -10.00 Check")
    is_accessible(biller.page, "refund-issued", screenshot_folder)
    biller.go("Refunds")
    is_accessible(biller.page, "refunds-list", screenshot_folder)
    biller.page.goto(f"/account?patient=refund-ada&company={company}")
    biller.sees("$15.00")
    is_accessible(biller.page, "refund-account", screenshot_folder)
