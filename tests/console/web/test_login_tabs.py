"""Users with several open tabs can log in with the form of any tab, in any order."""

from collections.abc import Callable

import pytest
from httpx import Client, Response

from tests.console.web.conftest import PASSWORD, client_at, csrf_of

# Steps of a person with two tabs: open the login page, log in, mistype the password, log out, in one of them.
STEPS_BY_NAME = {
    "first tab": ["open A", "open B", "log in A"],
    "second tab": ["open A", "open B", "log in B"],
    "both tabs": ["open A", "open B", "log in A", "log in B"],
    "both, second first": ["open A", "open B", "log in B", "log in A"],
    "after a wrong password here": ["open A", "open B", "mistype A", "log in A", "log in B"],
    "after a wrong password there": ["open A", "open B", "mistype B", "log in A"],
    "after logging out there": ["open A", "open B", "log in B", "log out B", "log in A"],
    "opened while logged in": ["open A", "log in A", "open B", "log in B", "log in A"],
    "opened again and again": ["open A", "open B", "open B", "open B", "log in A"],
}


class TabbedBrowser:
    """A browser with several tabs, which remembers the last page of each tab."""

    def __init__(self, client: Client) -> None:
        self.client, self.pages = client, dict[str, Response]()

    def execute(self, step: str) -> Response:
        """Execute a step such as `log in A`."""
        action, tab = step.rsplit(" ", 1)
        actions: dict[str, Callable[[str], Response]] = {
            "open": self.open,
            "log in": lambda tab: self.submit(tab, PASSWORD),
            "mistype": lambda tab: self.submit(tab, "not the password"),
            "log out": self.log_out,
        }
        return actions[action](tab)

    def open(self, tab: str) -> Response:
        self.pages[tab] = self.client.get("/login")
        return self.pages[tab]

    def submit(self, tab: str, password: str) -> Response:
        form = {"csrf": csrf_of(self.pages[tab]), "name": "billing", "password": password}
        answer = self.client.post("/login", data=form)
        if answer.status_code == 401:
            self.pages[tab] = answer
        return answer

    def log_out(self, _tab: str) -> Response:
        return self.client.post("/logout", data={"csrf": csrf_of(self.client.get("/account"))})


@pytest.mark.parametrize("steps", STEPS_BY_NAME.values(), ids=STEPS_BY_NAME)
def test_form_of_each_tab_logs_in(address: str, steps: list[str]) -> None:
    expected = {"open": 200, "log in": 303, "mistype": 401, "log out": 303}
    with client_at(address, "127.0.0.9") as client:
        tabs = TabbedBrowser(client)
        answers = [(step, tabs.execute(step).status_code) for step in steps]

        assert answers == [(step, expected[step.rsplit(" ", 1)[0]]) for step in steps]


@pytest.mark.parametrize("cookie", ["", "short", "x" * 42])
def test_form_of_another_browser_is_refused(address: str, cookie: str) -> None:
    with client_at(address, "127.0.0.9") as own, client_at(address, "127.0.0.9") as other:
        foreign = csrf_of(own.get("/login"))
        if cookie:
            other.cookies.set(next(iter(own.cookies)), cookie)
        form = {"csrf": foreign, "name": "billing", "password": PASSWORD}

        assert other.post("/login", data=form).status_code == 403
        other.get("/login")
        assert other.post("/login", data=form).status_code == 403
