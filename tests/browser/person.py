"""A simulated user of the console, whose clicks are counted. On a phone the navigation is in a menu."""

from collections import defaultdict
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

CLICKS_BY_JOB: dict[str, dict[str, int]] = defaultdict(dict)
"""The clicks of each job, by the width of the screen. `conftest.py` prints them after the tests."""


class Person:
    """A user at a page. Each click, choice, file and Enter key counts as one click; typing does not count."""

    def __init__(self, page: Page, job: str, width: str, screenshots: Path) -> None:
        self.page, self.job, self.width, self.clicks = page, job, width, 0
        self._screenshots = screenshots

    def click(self, target: str | Locator, role: Any = "button", *, exact: bool = False, within: Any = None) -> None:
        """Click a button or another element by its name."""
        found = (
            target if isinstance(target, Locator) else (within or self.page).get_by_role(role, name=target, exact=exact)
        )
        found.click()
        self.clicks += 1

    def go(self, label: str) -> None:
        """Open a page from the navigation."""
        menu = self.page.get_by_role("button", name="Menu")
        if menu.is_visible():
            self.click(menu)
        self.click(self.page.get_by_role("navigation", name="Pages").get_by_role("link", name=label, exact=True))

    def fill(self, label: str, text: str, *, enter: bool = False, within: Any = None) -> None:
        """Type into a field. If `enter`, press Enter."""
        field = (within or self.page).get_by_label(label, exact=True)
        field.fill(text)
        if enter:
            field.press("Enter")
            self.clicks += 1

    def fill_field(self, label: str, text: str) -> None:
        """Type into a field whose label also has a hint."""
        self.page.get_by_role("textbox", name=label).or_(self.page.get_by_label(label)).first.fill(text)

    def choose(self, label: str, option: str, *, within: Any = None) -> None:
        """Choose an option of a list."""
        (within or self.page).get_by_role("combobox", name=label).select_option(option)
        self.clicks += 1

    def choose_file(self, label: str, name: str, content: bytes) -> None:
        """Choose a file of the user's computer."""
        file = {"name": name, "mimeType": "text/csv", "buffer": content}
        self.page.get_by_label(label).set_input_files(file)
        self.clicks += 1

    def check(self, name: str, role: Any = "checkbox") -> None:
        """Check a checkbox or a radio button."""
        self.page.get_by_role(role, name=name).check()
        self.clicks += 1

    def filter_by(self, label: str, option: str) -> None:
        """Choose an option of a filter, and show the list. On a phone the fields of a filter are behind a button."""
        button = self.page.get_by_role("button", name="Filter")
        if button.is_visible():
            self.click(button)
        self.choose(label, option)
        self.click("Show", exact=True)

    def sees(self, text: str) -> None:
        """Expect a text on the page."""
        expect(self.page.get_by_text(text).first).to_be_visible()

    def is_done(self, *, desk: int, phone: int) -> None:
        """Check that the job took at most `desk` or `phone` clicks. Record the clicks, and save a screenshot."""
        CLICKS_BY_JOB[self.job][self.width] = self.clicks
        self.page.screenshot(path=self._screenshots / f"job-{self.job[:1]}-{self.width}.png", full_page=True)
        assert self.clicks <= {"desk": desk, "phone": phone}[self.width]
