"""Every page fits the screen, passes axe and works by keyboard; each test saves a screenshot."""

from collections.abc import Callable
from pathlib import Path

import psycopg
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from config.database_urls import libpq_url
from config.engines import current_engines
from config.settings import read_settings
from tests.acceptance.events import ALL_TYPES, payment
from tests.acceptance.stack import Stack
from tests.browser.closed_month import change_a_closed_month
from tests.browser.conftest import SCREEN_SIZES

CLOSED, STRANGE = "pages-closed", "pages-strange"
PAGES = {
    "overview": "/",
    "overview-empty-day": "/?day=2026-01-01",
    "today": "/today?clinic=clinic-003&day=2026-09-08",
    "today-empty": "/today?clinic=clinic-003&day=2026-01-01",
    "will-it-flow": "/will-it-flow?clinic=clinic-003&charge_type=Copay&date=2026-09-08",
    "patient": "/patient?patient=clinic-001-s7-p528484",
    "search": "/search?q=clinic-001-s7-p52848",
    "search-empty": "/search?q=nobody",
    "claims-feed": "/claims-feed?clinic=clinic-001&until=2026-09-07",
    "claims-feed-empty": "/claims-feed?find=nobody",
    "claims-feed-failed": "/claims-feed?status=Validation+Failed",
    "requeue": "/requeue-runs/new?status=Not+Sent",
    "requeue-runs": "/requeue-runs",
    "operations": "/operations",
    "import-task": "/import-tasks/unknown",
    "exceptions-closed-month": f"/exceptions?clinic={CLOSED}",
    "exceptions-empty": "/exceptions?patient=nobody",
    "exceptions-mine": "/exceptions?work=mine",
    "exception": "/exceptions/1",
    "refused-event": "/refused-events/1",
    "payment-log": "/payment-log?clinic=clinic-001&until=2026-09-07",
    "payment-log-grouped": "/payment-log?group_by=method",
    "deposit-slip": "/deposit-slip?clinic=clinic-003&day=2026-09-08",
    "account": "/account?patient=clinic-001-s7-p528484",
    "account-search": "/account",
    "deposits": "/deposits",
    "deposit-new": "/deposits/new?clinic=clinic-003&method=Check&since=2026-09-07&until=2026-09-14",
    "drawers": "/drawers",
    "drawer": "/drawers/1",
    "manual-entry-new": "/entries/new?patient=clinic-001-s7-p528484",
    "refunds": "/refunds",
    "refund-new": "/refunds/new?patient=clinic-001-s7-p528484",
    "transfers": "/transfers",
    "transfer-new": "/transfers/new?patient=clinic-001-s7-p528484",
    "balancing": "/balancing?since=2026-09-07&until=2026-09-07&clinic=clinic-001",
    "balancing-unexplained": f"/balancing?since=2026-10-01&until=2026-10-31&clinic={STRANGE}",
    "trends": "/trends",
    "months": "/months?company=company-1",
    "months-blocked": "/months?company=company-1&month=2026-09",
    "months-closed": "/months?company=pages-co&month=2026-05",
    "clinics": "/clinics",
    "clinics-compared": "/clinics?like=clinic-001",
    "clinic": "/clinic?clinic=clinic-003",
    "clinic-changed": "/clinic?clinic=clinic-003&changed=true",
    "company": "/company?company=company-1",
    "timeline": "/timeline?payment=clinic-009/free/1",
    "timeline-search": "/timeline",
    "new-ids": "/new-ids",
    "users": "/users",
    "user": "/user?name=bill",
    "user-new": "/user",
    "audit": "/audit?who=bill",
    "views": "/views",
    "own-account": "/own-account",
    "help": "/help",
    "refused": "/account?patient=nobody",
    "no-such-page": "/no-such-page",
}
LOOKS = (("light", "desk"), ("dark", "desk"), ("light", "phone"), ("dark", "phone"), ("light", "tablet"))
AXE_LOOKS = LOOKS[:3]
"""The looks that axe checks. Contrasts are the same at all widths, and elements the same in light and dark."""
STATUS_BY_PAGE = {"refused": 404, "no-such-page": 404}

# Accessibility problems that the page reports about itself.
LAYOUT_PROBLEMS_SCRIPT = """() => {
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
def _simulated_weeks(console_stack: Stack) -> None:
    console_stack.run_successfully(
        "emr", "simulate", "--clinics", "5", "--days", "14", "--seed", "7", "--first-day", "2026-09-07"
    )
    for clinic in ("clinic-009", STRANGE):
        console_stack.run_successfully(
            "settings", "set", clinic, "--company", "company-1", "--integration", "on", "--types", ALL_TYPES
        )
    console_stack.publish(
        payment("clinic-009", "free", amount_due="0.00", company_id="company-1"),
        payment(STRANGE, "doubled", company_id="company-1", patient_id="clinic-001-s7-p528484"),
        b'{"schema":1,"type":"payment.saved","event_id":17,"clinic_id":"clinic-009","payment_id":"odd","line_id":"1"}',
    )
    change_a_closed_month(console_stack, CLOSED, "pages-co")
    console_stack.run_successfully("drawers", "open", "clinic-003", "--day", "2026-09-08", "--starting-cash", "150.00")
    console_stack.wait_until_idle()
    _post_unexplained_entry(console_stack)


@pytest.fixture(scope="module")
def axe() -> Axe:
    return Axe()


@pytest.mark.usefixtures("_simulated_weeks")
@pytest.mark.parametrize("name", PAGES)
def test_page_fits_every_screen_width_and_is_accessible(
    name: str, admin_page: Page, axe: Axe, screenshot_folder: Path
) -> None:
    answer, problems = admin_page.goto(PAGES[name]), {}
    for colors, width in LOOKS:
        across, down = SCREEN_SIZES[width]
        admin_page.emulate_media(color_scheme=colors, reduced_motion="reduce")
        admin_page.set_viewport_size({"width": across, "height": down})
        found = admin_page.evaluate(LAYOUT_PROBLEMS_SCRIPT)
        if (colors, width) in AXE_LOOKS:
            admin_page.screenshot(path=screenshot_folder / f"{name}-{width}-{colors}.png", full_page=True)
            violations = axe.run(admin_page, options={"resultTypes": ["violations"]}).response["violations"]
            found += [f"{each['impact']}: {each['help']}: {each['nodes'][0]['html'][:120]}" for each in violations]
        problems[f"{width} {colors}"] = found

    assert answer
    assert answer.status == STATUS_BY_PAGE.get(name, 200)
    assert {where: found for where, found in problems.items() if found} == {}


def test_login_page_passes_axe(anonymous_page: Page, axe: Axe, screenshot_folder: Path) -> None:
    anonymous_page.goto("/login")
    anonymous_page.screenshot(path=screenshot_folder / "login-desk.png")

    assert axe.run(anonymous_page).response["violations"] == []
    assert anonymous_page.evaluate("document.activeElement.name") == "name"


def test_keyboard_reaches_content_and_search(
    logged_in: Callable[..., Page],
) -> None:
    page = logged_in("ann")
    page.goto("/claims-feed")

    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    page.keyboard.press("Enter")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.name") in {"find", "q"}


def test_navigation_and_filter_of_a_phone_open_without_scripts(logged_in: Callable[..., Page]) -> None:
    page = logged_in("ann", "phone", javascript=False)
    page.goto("/claims-feed")

    page.get_by_role("button", name="Menu").click()
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Payment Balancing").click()
    page.get_by_role("button", name="Filter").click()
    page.get_by_role("combobox", name="Clinic").select_option("clinic-001")
    page.get_by_role("button", name="Balance").click()

    assert "clinic=clinic-001" in page.url


def test_chosen_colours_stay_on_the_next_page(logged_in: Callable[..., Page]) -> None:
    page = logged_in("ann")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)

    page.get_by_role("button", name="ann").click()
    page.get_by_role("button", name="Dark").click()
    dark = page.evaluate(ground)
    page.goto("/clinics")

    assert light != dark == page.evaluate(ground)
    assert page.locator("html").get_attribute("data-theme") == "dark"


@pytest.mark.usefixtures("_simulated_weeks")
def test_headings_of_a_table_stay_below_the_header_while_the_page_scrolls(logged_in: Callable[..., Page]) -> None:
    page = logged_in("ann")
    page.goto("/claims-feed")
    page.evaluate("scrollTo({top: 900, behavior: 'instant'})")

    heading, header = page.get_by_role("columnheader", name="Payment"), page.get_by_role("banner")
    assert abs(heading.bounding_box()["y"] - header.bounding_box()["height"]) < 2
    assert page.get_by_role("link", name="Next page").bounding_box()["y"] < 800


@pytest.mark.parametrize("wrong", ["since=2026-13-01", "clinic=no-such-clinic", "find=%00"])
def test_error_at_a_filter_leaves_the_button_beside_the_fields(admin_page: Page, wrong: str) -> None:
    page = admin_page
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(f"/claims-feed?{wrong}")

    error = page.locator(".filter-fields .form-error").bounding_box()
    field, button = page.get_by_label("To", exact=True).bounding_box(), page.get_by_role("button", name="Show")
    assert error["height"] > 0
    assert abs(button.bounding_box()["y"] - field["y"]) < 5


def test_user_is_added_in_a_dialog_on_the_list(logged_in: Callable[..., Page]) -> None:
    page = logged_in("ann")
    page.goto("/users")

    page.get_by_role("link", name="Add user").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("textbox", name="Name").fill("in.a.dialog")

    assert page.url.endswith("/users")
    dialog.get_by_role("button", name="Close").click()
    assert not dialog.is_visible()


def _post_unexplained_entry(stack: Stack) -> None:
    """Insert a second entry of a payment directly into the database.

    Balancing shows it as an unexplained difference.
    """
    url = libpq_url(current_engines(read_settings(stack.environment)).database_url)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO entries (kind, part, line_ref, version, amount, company_id, clinic_id, patient_id, "
            "charge_type, method, deposit_date, posting_date, posted_at, entered_by) "
            "SELECT 'manual', 9, line_ref, version, amount, company_id, clinic_id, patient_id, charge_type, method, "
            "deposit_date, posting_date, posted_at, entered_by FROM entries WHERE clinic_id = %s",
            [STRANGE],
        )
