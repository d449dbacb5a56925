"""Every page fits its screen, is named, and can be worked by keyboard; a screenshot of each is kept."""

from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.acceptance.events import ALL_TYPES, payment
from tests.acceptance.stack import Stack
from tests.browser.conftest import WIDTHS

PAGES = {
    "overview": "/",
    "claims-feed": "/claims-feed",
    "requeue": "/requeue-runs/new?status=Not+Sent",
    "exceptions": "/exceptions",
    "payment-log": "/payment-log",
    "payment-log-grouped": "/payment-log?group_by=method",
    "account": "/account?patient=clinic-001-s7-p528484",
    "balancing": "/balancing?since=2026-09-01&until=2026-09-30",
    "months": "/months?company=company-1&month=2026-09",
    "clinics": "/clinics?like=clinic-001",
    "clinic": "/clinic?clinic=clinic-003",
    "timeline": "/timeline?payment=clinic-009/free/1",
    "users": "/users",
    "audit": "/audit",
}

# What a person who cannot see or point would stumble over, asked of the page itself.
PROBLEMS = """() => {
    const named = (each) => each.labels?.length || each.getAttribute("aria-label") || each.textContent.trim();
    const shown = (each) => each.offsetParent !== null && each.type !== "hidden";
    const controls = [...document.querySelectorAll("input, select, button, a, summary")].filter(shown);
    const ids = [...document.querySelectorAll("[id]")].map((each) => each.id);
    const doubled = ids.filter((id, at) => ids.indexOf(id) !== at);
    return [
        ...controls.filter((each) => !named(each)).map((each) => `no name: ${each.outerHTML.slice(0, 120)}`),
        ...doubled.map((id) => `id twice: ${id}`),
        ...(document.querySelectorAll("h1").length === 1 ? [] : ["not one heading"]),
        ...(document.documentElement.scrollWidth > innerWidth ? ["wider than the screen"] : []),
    ];
}"""


@pytest.fixture(scope="module")
def some_weeks(console_stack: Stack) -> None:
    console_stack.do("emr", "simulate", "--clinics", "5", "--days", "14", "--seed", "7", "--first-day", "2026-09-07")
    console_stack.do(
        "settings", "set", "clinic-009", "--company", "company-1", "--integration", "on", "--types", ALL_TYPES
    )
    console_stack.publish(payment("clinic-009", "free", amount_due="0.00", company_id="company-1"))
    console_stack.settle()


@pytest.mark.usefixtures("some_weeks")
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_fits_and_each_control_has_a_name(logged_in: Callable[..., Page], shots: Path, width: str) -> None:
    page, problems = logged_in("ann", width), {}
    for name, path in PAGES.items():
        answer = page.goto(path)
        found = page.evaluate(PROBLEMS)
        page.screenshot(path=shots / f"{name}-{width}.png", full_page=True)
        if (answer and answer.status != 200) or found:
            problems[name] = (answer and answer.status, found)

    assert problems == {}


def test_the_keyboard_leads_from_the_top_of_a_page_to_its_content_and_its_search(
    logged_in: Callable[..., Page],
) -> None:
    page = logged_in("ann")
    page.goto("/claims-feed")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") == "find"
