"""Chromium on a temporary stack. Without Chromium these tests are skipped."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.acceptance.stack import Stack
from tests.browser.person import CLICKS_BY_JOB, Person

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PASSWORD = "correct horse battery"  # noqa: S105 (it opens nothing but these tests)
REDIS_DATABASE = 11
BROWSER_TIME_ZONE = "America/Los_Angeles"
USERS = {
    "sue": "support",
    "bill": "billing",
    "ann": "admin",
    "ann.miller": "admin",
    "fay": "front-office",
    "olga": "operator",
}
SCREEN_SIZES = {"desk": (1280, 800), "tablet": (820, 1180), "phone": (390, 844)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Add the marker of browser tests to every test of this folder."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.acceptance)
            if CHROMIUM is None:
                item.add_marker(pytest.mark.skip(reason="Chromium is not installed (apt-get install chromium)"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print how many clicks each job took."""
    if CLICKS_BY_JOB:
        terminalreporter.write_sep("-", "clicks of each job")
    for job, counts in sorted(CLICKS_BY_JOB.items()):
        terminalreporter.write_line(f"{job:40} {'  '.join(f'{width} {count}' for width, count in counts.items())}")


@pytest.fixture(scope="session")
def console_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A running stack with a user of each role."""
    stack = Stack(tmp_path_factory.mktemp("browser"), REDIS_DATABASE)
    try:
        stack.start()
        for name, role in USERS.items():
            stack.run_successfully(
                "users", "add", name, "--role", role, "--password-stdin", stdin=f"{PASSWORD}\n".encode()
            )
        yield stack
        assert stack.stop() == 0, stack.log_tail()
    finally:
        stack.kill_remaining()


@pytest.fixture(scope="session")
def address(console_stack: Stack) -> str:
    return f"http://127.0.0.1:{console_stack.environment['PAYMENTS_CONSOLE_PORT']}"


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        # Chromium's sandbox does not work as root, which build machines use.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def admin_page(chromium: Browser, address: str) -> Iterator[Page]:
    """A page where an administrator is logged in, shared by the tests of a module."""
    with chromium.new_context(base_url=address, timezone_id=BROWSER_TIME_ZONE) as context:
        yield log_in_by_keyboard(context.new_page(), "ann.miller")


@pytest.fixture
def anonymous_page(chromium: Browser, address: str) -> Iterator[Page]:
    """A page of a browser that is not logged in."""
    with chromium.new_context(base_url=address) as context:
        yield context.new_page()


@pytest.fixture
def logged_in(chromium: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """Return a function that logs in as a user and returns the page. Errors in the browser's console fail the test."""
    contexts, errors = [], []

    def log_in(name: str, width: str = "desk", *, javascript: bool = True) -> Page:
        size = SCREEN_SIZES[width]
        context = chromium.new_context(
            base_url=address,
            viewport={"width": size[0], "height": size[1]},
            java_script_enabled=javascript,
            timezone_id=BROWSER_TIME_ZONE,
        )
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        return log_in_by_keyboard(page, name)

    yield log_in
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def log_in_person(logged_in: Callable[..., Page], screenshot_folder: Path) -> Callable[[str, str, str], Person]:
    """Return a function that logs in a user and returns the Person, who sees the first page.

    The function takes the user's name, the job, and the width of the screen.
    """
    return lambda name, job, width: Person(logged_in(name, width), job, width, screenshot_folder)


def log_in_by_keyboard(page: Page, name: str) -> Page:
    """Log in with the keyboard only. Return the page, which then shows the overview."""
    page.goto("/login")
    page.get_by_label("Name").focus()
    page.keyboard.type(name)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Overview").wait_for()
    return page


@pytest.fixture(scope="session")
def screenshot_folder() -> Path:
    """The folder for screenshots: the value of the variable SCREENSHOTS, or else `.screenshots/` in the checkout."""
    folder = Path(os.environ.get("SCREENSHOTS") or Path(__file__).resolve().parents[2] / ".screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
