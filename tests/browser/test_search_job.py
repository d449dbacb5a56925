"""Support finds a missing Copay by the patient's name, at a desk and with a phone."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.acceptance.events import line_key, patient, payment
from tests.acceptance.stack import Stack
from tests.browser.person import Person


@pytest.mark.parametrize("width", ["desk", "phone"])
def test_support_finds_a_missing_copay_by_the_patients_name(
    console_stack: Stack, log_in_person: Callable[[str, str, str], Person], screenshot_folder: Path, width: str
) -> None:
    clinic, family = f"missing-{width}", {"desk": "Vanderbilt", "phone": "Quackenbush"}[width]
    console_stack.set_clinic(clinic, "Deductible")
    console_stack.publish(
        patient(f"{clinic}-ada") | {"name": f"Renée {family}"}, payment(clinic, "copay", "41.50", reference="7731")
    )
    console_stack.wait_until_idle()
    support = log_in_person("sue", "a: find a missing copay by the name", width)
    page = support.page

    support.fill("Search everywhere", f"renee {family[:5].lower()}", enter=True)

    expect(page.get_by_role("region", name="Patients")).to_contain_text(f"Renée {family}")
    found = page.get_by_role("region", name="Payments").get_by_role("row").filter(has_text=line_key(clinic, "copay"))
    expect(found).to_contain_text("Not Sent")
    expect(found).to_contain_text("Not in Billing")
    expect(found).to_contain_text("This charge type was not selected")
    page.screenshot(path=screenshot_folder / f"search-{width}.png", full_page=True)
    support.click(line_key(clinic, "copay"), "link")
    expect(page.get_by_role("heading", name=re.compile("Timeline of"))).to_contain_text(f"Renée {family}")
    support.is_done(desk=2, phone=2)

    for wanted in ("7731", "$41.50"):
        support.fill("Search everywhere", wanted, enter=True)
        expect(page.get_by_role("region", name="Payments")).to_contain_text(line_key(clinic, "copay"))
