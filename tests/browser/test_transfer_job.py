"""A transfer, as a biller makes it: a payment is moved to the right patient, and moved back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.events import patient, payment
from tests.acceptance.stack import Stack
from tests.browser.person import Person
from tests.browser.test_refund_job import is_accessible


@pytest.mark.parametrize("width", ["desk"])
def test_payment_is_moved_to_the_right_patient_and_back(
    console_stack: Stack, log_in_person: Callable[[str, str, str], Person], screenshot_folder: Path, width: str
) -> None:
    clinic, company = "transfer-desk", "transfer-co"
    here = {"company_id": company}
    console_stack.run_successfully(
        "settings", "set", clinic, "--company", company, "--integration", "on", "--types", "Copay"
    )
    console_stack.publish(
        *(patient(each) | here for each in ("transfer-ada", "transfer-ben")),
        payment(clinic, "visit", "25.00", patient_id="transfer-ben", **here),
    )
    console_stack.wait_until_idle()
    biller = log_in_person("bill", "move a payment to the right patient", width)

    biller.page.goto(f"/timeline?payment={clinic}/visit/1&company={company}")
    biller.click("New transfer", "link")
    biller.sees("At most $25.00 can be moved.")
    is_accessible(biller.page, "transfer-new", screenshot_folder)
    biller.fill_field("To patient", "transfer-ada")
    biller.fill_field("Reason", "posted to the wrong patient")
    biller.click("Transfer")
    biller.sees("moved 25.00 from patient transfer-ben to patient transfer-ada")
    is_accessible(biller.page, "transfer", screenshot_folder)

    biller.go("Transfers")
    biller.click(biller.page.get_by_role("row").filter(has_text="transfer-ada").get_by_role("link").first)
    biller.fill_field("Reason", "it was the right patient")
    biller.click("Undo")
    biller.sees("has undone this transfer")
    is_accessible(biller.page, "transfer-undone", screenshot_folder)
    biller.page.goto(f"/account?patient=transfer-ben&company={company}")
    biller.sees("$25.00")
