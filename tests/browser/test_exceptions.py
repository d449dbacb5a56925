"""A biller decides Billing Exceptions in the queue: one by one, together, by quick clicks, and without scripts."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.acceptance.events import ALL_TYPES, line_key, patient, payment
from tests.acceptance.stack import Stack
from tests.browser.person import Person

LogInFunction = Callable[..., Page]
LogInPersonFunction = Callable[[str, str, str], Person]


def raise_payments_of_a_closed_month(stack: Stack, clinic: str, count: int) -> None:
    """Publish payments of 20.00, and close their month. Then change the amounts to 21.00, 22.00 and so on."""
    here = {"company_id": clinic, "transaction_date": "2026-05-05", "date_of_service": "2026-05-05"}
    stack.run_successfully("settings", "set", clinic, "--company", clinic, "--integration", "on", "--types", ALL_TYPES)
    first = (payment(clinic, f"p{number:02}", "20.00", **here) for number in range(count))
    stack.publish(patient(f"{clinic}-ada") | {"company_id": clinic}, *first)
    stack.wait_until_idle()
    stack.run_successfully("months", "close", clinic, "2026-05")
    stack.publish(
        *(payment(clinic, f"p{number:02}", f"{21 + number}.00", version=2, **here) for number in range(count))
    )
    stack.wait_until_idle()


def adjustments(stack: Stack, clinic: str) -> list[str]:
    return sorted(row["amount"] for row in stack.payment_log(clinic) if row["kind"] == "adjustment")


def row_of(page: Page, clinic: str, number: int) -> Locator:
    return page.get_by_role("row").filter(has_text=line_key(clinic, f"p{number:02}"))


def accept_button(row: Locator) -> Locator:
    return row.get_by_role("button", name=re.compile("Accept exception"))


@pytest.mark.parametrize("width", ["desk", "phone"])
def test_biller_decides_ten_exceptions_one_by_one(
    console_stack: Stack, log_in_person: LogInPersonFunction, width: str
) -> None:
    clinic = f"ten-{width}"
    raise_payments_of_a_closed_month(console_stack, clinic, 10)
    biller = log_in_person("bill", "b: work ten exceptions", width)
    page = biller.page

    biller.go("Billing Exceptions")
    biller.filter_by("Clinic", clinic)
    for number in range(9):
        row = row_of(page, clinic, number)
        biller.click(accept_button(row))
        expect(row.get_by_text("Accepted", exact=True)).to_be_visible()
        expect(row).to_contain_text(f"Posted ${number + 1}.00")
    wrong = row_of(page, clinic, 4)
    biller.click(wrong.locator("summary", has_text="Undo"))
    biller.click(wrong.get_by_role("button", name="Undo", exact=True))
    expect(accept_button(wrong)).to_be_visible()
    last = row_of(page, clinic, 9)
    biller.click(last.locator("summary", has_text="More actions"))
    last.get_by_label("Owner").fill("ann")
    biller.click(last.get_by_role("button", name="Assign"))
    expect(last).to_contain_text("Owner ann")
    biller.is_done(desk=16, phone=18)

    assert adjustments(console_stack, clinic) == sorted([f"{n}.00" for n in range(1, 10)] + ["-5.00"])
    rows = console_stack.report("exceptions", "--company", clinic)
    assert [row["owner"] for row in rows if row["payment"] == line_key(clinic, "p09")] == ["ann"]


@pytest.mark.parametrize("width", ["desk", "phone"])
def test_biller_accepts_ten_exceptions_together(
    console_stack: Stack, log_in_person: LogInPersonFunction, screenshot_folder: Path, width: str
) -> None:
    clinic = f"together-{width}"
    raise_payments_of_a_closed_month(console_stack, clinic, 10)
    biller = log_in_person("bill", "b: accept ten exceptions together", width)
    page = biller.page

    biller.go("Billing Exceptions")
    biller.filter_by("Clinic", clinic)
    biller.check("Select all rows")
    biller.click(page.get_by_role("button", name="Accept 10 selected ($55.00)"))
    expect(page.get_by_role("heading", name="Accept 10 exceptions?")).to_be_visible()
    expect(page.get_by_role("region", name="Selected exceptions")).to_contain_text("$55.00")
    page.screenshot(path=screenshot_folder / f"exceptions-selected-{width}.png")
    biller.click("Accept 10 exceptions")

    expect(page.get_by_role("heading", name="10 of 10 exceptions accepted")).to_be_visible()
    biller.is_done(desk=6, phone=8)
    assert adjustments(console_stack, clinic) == sorted(f"{number}.00" for number in range(1, 11))


def test_two_quick_clicks_at_one_point_accept_one_exception(console_stack: Stack, logged_in: LogInFunction) -> None:
    clinic = "quick"
    raise_payments_of_a_closed_month(console_stack, clinic, 3)
    page = logged_in("bill")
    page.goto(f"/exceptions?clinic={clinic}")
    first = row_of(page, clinic, 0)
    box = accept_button(first).bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    page.mouse.click(x, y, click_count=1)
    page.mouse.click(x, y, click_count=1)
    expect(first.get_by_text("Accepted", exact=True)).to_be_visible()
    page.mouse.click(x, y)
    page.mouse.dblclick(x, y)

    expect(first.get_by_text("Accepted", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Accept exception"))).to_have_count(2)
    assert adjustments(console_stack, clinic) == ["1.00"]


def test_decided_row_stays_and_can_be_undone_without_scripts(console_stack: Stack, logged_in: LogInFunction) -> None:
    clinic = "quick-plain"
    raise_payments_of_a_closed_month(console_stack, clinic, 3)
    page = logged_in("bill", javascript=False)
    page.goto(f"/exceptions?clinic={clinic}")

    accept_button(row_of(page, clinic, 1)).click(click_count=2)

    row = row_of(page, clinic, 1)
    expect(row).to_contain_text("Posted $2.00")
    expect(row).to_be_in_viewport()
    assert adjustments(console_stack, clinic) == ["2.00"]
    row.locator("summary", has_text="Undo").click()
    row.get_by_role("button", name="Undo", exact=True).click()
    expect(accept_button(row_of(page, clinic, 1))).to_be_visible()
    assert adjustments(console_stack, clinic) == ["-2.00", "2.00"]


def test_biller_opens_the_next_exception_and_reads_its_history(
    console_stack: Stack, logged_in: LogInFunction, screenshot_folder: Path
) -> None:
    clinic = "taken"
    raise_payments_of_a_closed_month(console_stack, clinic, 1)
    page = logged_in("bill")
    page.goto(f"/exceptions?clinic={clinic}")

    page.get_by_role("button", name="Take next exception").click()
    expect(page.get_by_role("heading", name=re.compile("Exception [0-9]+"))).to_be_visible()
    page.get_by_label("New note").fill("Called the clinic.")
    page.get_by_role("button", name="Add note").click()
    page.get_by_role("button", name=re.compile("Accept exception")).click()

    expect(page.get_by_role("region", name="Entries")).to_contain_text("$1.00")
    expect(page.get_by_role("region", name="History")).to_contain_text("Exception accepted")
    expect(page.get_by_role("region", name="Notes")).to_contain_text("Called the clinic.")
    page.screenshot(path=screenshot_folder / "exception.png", full_page=True)
