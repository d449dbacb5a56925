"""Screenshots for the how-to pages, made by `make screenshots`: every console page with realistic data."""

import base64
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from config.database_urls import libpq_url
from config.engines import current_engines
from config.settings import read_settings
from tests.acceptance.stack import Stack
from tests.browser.conftest import log_in_by_keyboard
from tests.browser.three_weeks import COMPANY, ThreeWeeks

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
BYTES_MAX, QUALITY_PERCENT, WIDTH = 60_000, 68, 1280
PATIENT, WEEK = "P-1037", "since=2026-10-05&until=2026-10-11"
CLOSED = "Payment+added%2Fedited%2Fdeleted+when+month+is+closed"

# Three weeks are published within seconds. Move each import to shortly after its save, as on a real day.
IMPORT_AFTER_SAVE = """
    UPDATE history SET at = saved_at + step * interval '3 seconds' FROM
        (SELECT id, at, line_ref, row_number() OVER (PARTITION BY line_ref ORDER BY id) AS step FROM history) AS steps
        JOIN lines ON lines.id = steps.line_ref
    WHERE history.id = steps.id AND history.at = steps.at AND lines.deleted IS FALSE
"""


@pytest.fixture(scope="module")
def filled_stack(console_stack: Stack) -> Stack:
    """A stack with three weeks of four clinics, a closed August and September, and later corrections of September."""
    stack, weeks = console_stack, ThreeWeeks()
    weeks.publish(stack)
    with psycopg.connect(
        libpq_url(current_engines(read_settings(stack.environment)).database_url), autocommit=True
    ) as connection:
        connection.execute(IMPORT_AFTER_SAVE)
    for month in ("2026-08", "2026-09"):
        stack.run_successfully("months", "close", COMPANY, month)
    stack.publish(*weeks.late_corrections(), *weeks.charges_of(PATIENT))
    stack.wait_until_idle()
    stack.run_successfully("distribute")
    return stack


@pytest.fixture
def page(chromium: Browser, address: str, filled_stack: Stack) -> Iterator[Page]:
    """A page in the clinics' time zone where an administrator is logged in."""
    viewport = {"width": WIDTH, "height": 800}
    with chromium.new_context(base_url=address, viewport=viewport, timezone_id="America/Phoenix") as context:
        yield log_in_by_keyboard(context.new_page(), "ann")


@pytest.mark.parametrize(
    ("name", "path", "height"),
    [
        ("overview", "/?day=2026-10-08", 600),
        ("claims-feed", "/claims-feed?status=Not+Sent&clinic=east", 640),
        ("exceptions", f"/exceptions?clinic=north&reason={CLOSED}", 560),
        ("account", f"/account?patient={PATIENT}", 640),
        ("balancing", f"/balancing?{WEEK}&clinic=north", 760),
        ("months", f"/months?company={COMPANY}&month=2026-10", 700),
        ("payment-log", f"/payment-log?{WEEK}&group_by=method", 460),
    ],
)
def test_page_is_saved_as_screenshot(page: Page, screenshot_folder: Path, name: str, path: str, height: int) -> None:
    page.goto(path)

    save_screenshot(page, name, screenshot_folder, height)


def test_steps_of_a_requeue_are_saved_as_screenshots(page: Page, filled_stack: Stack, screenshot_folder: Path) -> None:
    page.goto("/clinic?clinic=east")
    page.get_by_label("Wellness").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("link", name="Requeue")).to_be_visible()
    save_screenshot(page, "clinic", screenshot_folder, 670)

    page.get_by_role("link", name="Requeue").click()
    save_screenshot(page, "requeue", screenshot_folder, 460)
    page.get_by_role("button", name="Requeue").click()
    expect(page.get_by_role("status")).to_contain_text("requeued")
    filled_stack.wait_until_idle()

    imported = {row["payment"] for row in filled_stack.ledger("east")}
    payment = next(
        row["payment"]
        for row in filled_stack.feed("east").values()
        if row["attempts"] > 1 and row["payment"] in imported and row["charge_type"] == "Wellness"
    )
    page.goto(f"/timeline?payment={payment}")
    save_screenshot(page, "timeline", screenshot_folder, 440)


def save_screenshot(page: Page, name: str, screenshot_folder: Path, height: int) -> None:
    """Save the upper part of the page as WebP in docs/screenshots and as PNG in `screenshot_folder`."""
    clip = {"x": 0, "y": 0, "width": WIDTH, "height": height}
    page.screenshot(path=screenshot_folder / f"how-to-{name}.png", clip=clip)
    options = {"format": "webp", "quality": QUALITY_PERCENT, "clip": clip | {"scale": 1}}
    picture = base64.b64decode(page.context.new_cdp_session(page).send("Page.captureScreenshot", options)["data"])
    assert len(picture) < BYTES_MAX
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.webp").write_bytes(picture)
