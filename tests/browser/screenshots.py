"""Screenshots of every page with realistic data, in light, dark and phone layout. `make screenshots` makes them."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from config.database_urls import libpq_url
from config.engines import current_engines
from config.settings import read_settings
from console.web.app import page_paths
from console.web.navigation import SECTIONS
from tests.acceptance.stack import Stack
from tests.browser.conftest import log_in_by_keyboard
from tests.browser.test_balancing_job import payment_log_of
from tests.browser.three_weeks import COMPANY, ThreeWeeks

SCREENSHOTS_FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
GALLERY_PAGE = SCREENSHOTS_FOLDER.parent / "reference" / "screenshots.md"
BYTES_MAX, QUALITIES_PERCENT = 60_000, (50, 42, 34)
LOOK_BY_SUFFIX = {"": ("light", 1280, 800), "-dark": ("dark", 1280, 800), "-phone": ("light", 390, 844)}
"""The colours and the screen size of each look, by the suffix of its file names."""
PATIENT, WEEK = "P-1037", "since=2026-10-05&until=2026-10-11"
CLOSED_MONTH_REASON = "Payment+added%2Fedited%2Fdeleted+when+month+is+closed"

# Three weeks are published within seconds. Move each import to shortly after its save, as on a real day.
SET_IMPORT_TIMES = """
    UPDATE history SET at = saved_at + step * interval '3 seconds' FROM
        (SELECT id, at, line_ref, row_number() OVER (PARTITION BY line_ref ORDER BY id) AS step FROM history) AS steps
        JOIN lines ON lines.id = steps.line_ref
    WHERE history.id = steps.id AND history.at = steps.at AND lines.deleted IS FALSE
"""


@pytest.fixture(scope="module")
def filled_stack(console_stack: Stack) -> Stack:
    """A stack with three weeks of payments of four clinics. August and September are closed, with late corrections."""
    stack, weeks = console_stack, ThreeWeeks()
    weeks.publish(stack)
    with psycopg.connect(
        libpq_url(current_engines(read_settings(stack.environment)).database_url), autocommit=True
    ) as connection:
        connection.execute(SET_IMPORT_TIMES)
    for month in ("2026-08", "2026-09"):
        stack.run_successfully("months", "close", COMPANY, month)
    stack.publish(*weeks.late_corrections(), *weeks.charges_of(PATIENT))
    stack.wait_until_idle()
    stack.run_successfully("distribute")
    return stack


@pytest.fixture(scope="module")
def pages(chromium: Browser, address: str, filled_stack: Stack) -> Iterator[dict[str, Page]]:
    """A page of a logged-in administrator for each look, by file suffix. The browser has the clinics' time zone."""
    opened = {}
    for suffix, (colors, width, height) in LOOK_BY_SUFFIX.items():
        context = chromium.new_context(
            base_url=address,
            viewport={"width": width, "height": height},
            color_scheme="dark" if colors == "dark" else "light",
            timezone_id="America/Phoenix",
            reduced_motion="reduce",
        )
        opened[suffix] = log_in_by_keyboard(context.new_page(), "ann")
    yield opened
    for page in opened.values():
        page.context.close()


# Pages by the name of their files. Pages with a long history of work are in the test below.
ADDRESS_BY_NAME = {
    "overview": "/?day=2026-10-08",
    "search": "/search?q=P-103",
    "today": "/today?clinic=north&day=2026-10-08",
    "will-it-flow": "/will-it-flow?clinic=east&charge_type=Wellness&date=2026-10-08",
    "patient": f"/patient?patient={PATIENT}",
    "claims-feed": "/claims-feed?status=Not+Sent&clinic=east",
    "exceptions": f"/exceptions?clinic=north&reason={CLOSED_MONTH_REASON}",
    "exception": "/exceptions/1",
    "payment-log": f"/payment-log?{WEEK}&group_by=method",
    "payment-log-rows": f"/payment-log?{WEEK}&clinic=north",
    "deposit-slip": "/deposit-slip?clinic=north&day=2026-10-08",
    "account": f"/account?patient={PATIENT}",
    "manual-entry": f"/entries/new?patient={PATIENT}&company={COMPANY}",
    "refund-new": f"/refunds/new?patient={PATIENT}&company={COMPANY}",
    "transfer-new": f"/transfers/new?patient={PATIENT}&company={COMPANY}",
    "balancing": f"/balancing?{WEEK}&clinic=north",
    "trends": "/trends?since=2026-09-21&until=2026-10-11",
    "months": f"/months?company={COMPANY}&month=2026-10",
    "clinics": "/clinics?like=north",
    "company": f"/company?company={COMPANY}",
    "new-ids": "/new-ids",
    "users": "/users",
    "user": "/user?name=bill",
    "audit": "/audit",
    "own-account": "/own-account",
    "help": "/help",
    "wrong-filter": "/claims-feed?since=2026-13-01",
    "no-such-page": "/no-such-page",
}
# Pages of the navigation without an address of their own above are taken as they open.
NAVIGATION_ADDRESS_BY_NAME = {
    item.path.strip("/"): item.path
    for section in SECTIONS
    for item in section.items
    if item.path in page_paths() and not any(urlsplit(each).path == item.path for each in ADDRESS_BY_NAME.values())
}


@pytest.mark.parametrize(("name", "path"), [*ADDRESS_BY_NAME.items(), *NAVIGATION_ADDRESS_BY_NAME.items()])
def test_page_is_saved_as_screenshots(pages: dict[str, Page], screenshot_folder: Path, name: str, path: str) -> None:
    for suffix, page in pages.items():
        page.goto(path)
        save_screenshot(page, f"{name}{suffix}", screenshot_folder)


def test_steps_of_a_requeue_are_saved_as_screenshots(
    pages: dict[str, Page], filled_stack: Stack, screenshot_folder: Path
) -> None:
    page = pages[""]
    page.goto("/clinic?clinic=east")
    page.get_by_label("Wellness").check()
    page.get_by_role("button", name="Save").click()
    expect(
        page.get_by_role("link", name="Requeue it").or_(page.get_by_role("link", name="Requeue them"))
    ).to_be_visible()
    offered = page.url
    page.get_by_role("link", name=re.compile("^Requeue (it|them)")).click()
    preview = page.url
    for suffix, other in pages.items():
        for name, path in (("clinic", offered), ("requeue", preview)):
            other.goto(path)
            save_screenshot(other, f"{name}{suffix}", screenshot_folder)

    page.goto(preview)
    page.get_by_role("button", name=re.compile("^Requeue [0-9,]+ payment")).click()
    expect(page.get_by_role("status")).to_contain_text("requeued")
    filled_stack.wait_until_idle()
    run = page.url

    imported = {row["payment"] for row in filled_stack.payment_log("east")}
    payment = next(
        row["payment"]
        for row in filled_stack.claims_feed("east").values()
        if row["attempts"] > 1 and row["payment"] in imported and row["charge_type"] == "Wellness"
    )
    for suffix, other in pages.items():
        for name, path in (
            ("requeue-run", run),
            ("requeue-runs", "/requeue-runs"),
            ("timeline", f"/timeline?payment={payment}"),
        ):
            other.goto(path)
            save_screenshot(other, f"{name}{suffix}", screenshot_folder)


def test_steps_of_several_exceptions_and_of_a_file_are_saved_as_screenshots(
    pages: dict[str, Page], screenshot_folder: Path
) -> None:
    for suffix, page in pages.items():
        page.goto(ADDRESS_BY_NAME["exceptions"])
        page.get_by_role("checkbox", name="Select all rows").check()
        page.get_by_role("button", name=re.compile("^Accept [0-9]+ selected")).click()
        save_screenshot(page, f"exceptions-selected{suffix}", screenshot_folder)

        page.goto(ADDRESS_BY_NAME["balancing"])
        page.locator("summary", has_text="Compare with the EMR's own Payment Log").click()
        log = {"name": "week.csv", "mimeType": "text/csv", "buffer": payment_log_of("north", {"p-1001": "25.00"})}
        page.get_by_label("CSV file of the EMR").set_input_files(log)
        page.get_by_role("button", name="Upload and preview").click()
        save_screenshot(page, f"uploaded-file{suffix}", screenshot_folder)


def test_login_page_is_saved_as_screenshots(chromium: Browser, address: str, screenshot_folder: Path) -> None:
    for suffix, (colors, width, height) in LOOK_BY_SUFFIX.items():
        size = {"width": width, "height": height}
        with chromium.new_context(
            base_url=address, viewport=size, color_scheme="dark" if colors == "dark" else "light"
        ) as context:
            page = context.new_page()
            page.goto("/login")
            save_screenshot(page, f"login{suffix}", screenshot_folder)


def save_screenshot(page: Page, name: str, screenshot_folder: Path) -> None:
    """Save a picture of the screen as WebP in docs/screenshots, and as PNG in `screenshot_folder`."""
    page.screenshot(path=screenshot_folder / f"look-{name}.png")
    session = page.context.new_cdp_session(page)
    for quality in QUALITIES_PERCENT:
        options = {"format": "webp", "quality": quality}
        picture = base64.b64decode(session.send("Page.captureScreenshot", options)["data"])
        if len(picture) < BYTES_MAX:
            break
    assert len(picture) < BYTES_MAX
    SCREENSHOTS_FOLDER.mkdir(exist_ok=True)
    (SCREENSHOTS_FOLDER / f"{name}.webp").write_bytes(picture)


def test_gallery_shows_every_screenshot() -> None:
    """Write the page of the documentation that shows the screenshots. This test runs last."""
    names = sorted(
        path.stem for path in SCREENSHOTS_FOLDER.glob("*.webp") if not path.stem.endswith(("-dark", "-phone"))
    )
    lines = ["# Screenshots", "", "Every page of the console, made by `make screenshots` from simulated weeks.", ""]
    for name in names:
        words = name.replace("-", " ").capitalize()
        lines += [f"## {words}", ""]
        for suffix, look in (("", "light"), ("-dark", "dark"), ("-phone", "on a phone")):
            lines.append(f"![{words}, {look}](../screenshots/{name}{suffix}.webp)")
        lines.append("")
    GALLERY_PAGE.write_text("\n".join(lines))
