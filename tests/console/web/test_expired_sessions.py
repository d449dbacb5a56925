"""A user whose session has expired logs in again and gets back the form as filled in. Another user does not."""

import html
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx import Client, Response
from sqlalchemy import text

from payments.access import authentication
from payments.access.authentication import NewPassword
from payments.access.rights import Role, User
from payments.store.db.connection import transaction
from tests.builders.committed import ClinicLedger
from tests.console.web.conftest import CHEAP, PASSWORD, client_at, csrf_of, send_login
from tests.console.web.html_page import HtmlPage
from tests.console.web.test_old_pages import fields_of

pytestmark = pytest.mark.slow

ENTRY_KEPT_MESSAGE = "Your session has ended. Log in again to continue; your entry is kept."


class ExpiringUser:
    """A user in a browser, whose session expires when the test calls `expire`."""

    def __init__(self, client: Client, ledger: ClinicLedger, name: str) -> None:
        self.client, self.ledger, self.name = client, ledger, name

    def log_in(self) -> None:
        assert send_login(self.client, self.name, PASSWORD).status_code == 303

    def expire(self, how: str = "last_used_at") -> None:
        with transaction(self.ledger.database) as tx:
            earlier = f"UPDATE sessions SET {how} = now() - interval '2 hours' WHERE user_name = :name"
            tx.execute(text(earlier), {"name": self.name})

    def send(self, page: str, path: str, **fields: object) -> Response:
        """Send a form from a page that is still open in the browser."""
        referer = {"referer": f"{self.client.base_url}{page}"}
        return self.client.post(path, data=fields, headers=referer)

    def log_in_again(self, page: Response, name: str | None = None, password: str = PASSWORD) -> Response:
        """Submit the login form of a page. Its hidden fields hold the form entry that Billing has kept."""
        form = next(each for each in HtmlPage("/", page.text).forms if each.action == "/login")
        kept = {each.name: html.unescape(each.chosen) for each in form.fields}
        return self.client.post("/login", data=kept | {"name": name or kept["name"], "password": password})


@pytest.fixture
def expiring_user(site: FastAPI, ledger: ClinicLedger, address: str) -> Iterator[ExpiringUser]:
    name = f"u-{uuid4().hex[:8]}"
    with transaction(ledger.database) as tx:
        authentication.add_user(tx, User(name, Role.SUPPORT), NewPassword(PASSWORD, CHEAP), datetime.now(UTC), "tests")
    with client_at(address) as client:
        found = ExpiringUser(client, ledger, name)
        found.log_in()
        yield found


@pytest.fixture
def clinic(ledger: ClinicLedger) -> str:
    name = f"kept-{uuid4().hex[:8]}"
    ledger.set_clinic(name)
    return name


def fill_in_clinic_form(expiring_user: ExpiringUser, clinic: str) -> dict[str, object]:
    """Open the page of a clinic, and return its fields after the user has chosen two charge types."""
    page = expiring_user.client.get("/clinic", params={"clinic": clinic})
    return fields_of(page.text, "/clinic", clinic) | {"type": ["Copay", "Supplies"], "csrf": csrf_of(page)}


@pytest.mark.parametrize("how", ["last_used_at", "expires_at"])
def test_login_after_expiry_returns_the_form_with_its_entry(expiring_user: ExpiringUser, clinic: str, how: str) -> None:
    fields = fill_in_clinic_form(expiring_user, clinic)
    expiring_user.expire(how)

    asked = expiring_user.send(f"/clinic?clinic={clinic}", "/clinic", **fields)
    assert (asked.status_code, ENTRY_KEPT_MESSAGE in asked.text) == (401, True)
    assert f'name="name" value="{expiring_user.name}"' in asked.text
    assert asked.headers["cache-control"] == "no-store"
    again = expiring_user.log_in_again(expiring_user.log_in_again(asked, password="mistyped"))

    assert again.status_code == 200
    assert "You are logged in again. Nothing was saved yet" in again.text
    kept = fields_of(again.text, "/clinic", clinic)
    assert kept["type"] == ["Copay", "Supplies"]
    saved = expiring_user.send(f"/clinic?clinic={clinic}", "/clinic", **kept, csrf=csrf_of(again))
    assert saved.status_code == 303
    assert "You are logged in again" not in expiring_user.client.get("/clinic", params={"clinic": clinic}).text
    assert fields_of(expiring_user.client.get("/clinic", params={"clinic": clinic}).text, "/clinic", clinic)[
        "type"
    ] == [
        "Copay",
        "Supplies",
    ]


def test_returned_entry_is_refused_if_the_settings_changed_meanwhile(
    expiring_user: ExpiringUser, clinic: str, logged_in
) -> None:
    fields = fill_in_clinic_form(expiring_user, clinic)
    expiring_user.expire()
    asked = expiring_user.send(f"/clinic?clinic={clinic}", "/clinic", **fields)
    logged_in("admin").post("/clinic", clinic=clinic, integration="on", type=["Wellness"])

    again = expiring_user.log_in_again(asked)
    saved = expiring_user.send("/clinic", "/clinic", **fields_of(again.text, "/clinic", clinic), csrf=csrf_of(again))

    assert (saved.status_code, "Not saved." in saved.text) == (409, True)


def test_another_user_does_not_get_the_entry(expiring_user: ExpiringUser, clinic: str) -> None:
    fields = fill_in_clinic_form(expiring_user, clinic)
    expiring_user.expire()
    asked = expiring_user.send(f"/clinic?clinic={clinic}", "/clinic", **fields)

    other = expiring_user.log_in_again(asked, name="support")

    assert (other.status_code, other.headers["location"]) == (303, "/")
    assert clinic not in other.text
    assert "left unfinished was discarded. Nothing was changed." in expiring_user.client.get("/").text


def test_entry_whose_form_is_not_on_the_page_is_listed(expiring_user: ExpiringUser, clinic: str) -> None:
    csrf = csrf_of(expiring_user.client.get("/own-account"))
    expiring_user.expire()
    asked = expiring_user.send(
        "/exceptions", "/exceptions/999999/acknowledge", csrf=csrf, version="3", reason="as <agreed>"
    )

    again = expiring_user.log_in_again(asked)

    assert again.status_code == 200
    assert "<dt>Reason</dt><dd>as &lt;agreed&gt;</dd>" in again.text
    assert "version" not in again.text.lower()
    assert 'href="/exceptions"' in again.text


@pytest.mark.parametrize(
    "change",
    [
        {"csrf": "0" * 64},  # a form of another session, or of another site
        {"csrf": ""},
    ],
)
def test_entry_without_the_csrf_token_of_the_session_is_not_kept(
    expiring_user: ExpiringUser, clinic: str, change: dict[str, str]
) -> None:
    fields = fill_in_clinic_form(expiring_user, clinic)
    expiring_user.expire()

    answer = expiring_user.send(f"/clinic?clinic={clinic}", "/clinic", **fields | change)

    assert (answer.status_code, answer.headers["location"]) == (303, f"/login?next=%2Fclinic%3Fclinic%3D{clinic}")


def test_entry_is_not_kept_if_the_session_was_ended_and_not_expired(expiring_user: ExpiringUser, clinic: str) -> None:
    fields = fill_in_clinic_form(expiring_user, clinic)
    with transaction(expiring_user.ledger.database) as tx:
        authentication.set_password(tx, expiring_user.name, NewPassword(PASSWORD, CHEAP), datetime.now(UTC), "tests")

    assert expiring_user.send(f"/clinic?clinic={clinic}", "/clinic", **fields).status_code == 303


def test_login_replaces_the_whole_page_after_a_request_of_htmx(expiring_user: ExpiringUser, clinic: str) -> None:
    fields = fill_in_clinic_form(expiring_user, clinic)
    expiring_user.expire()
    expiring_user.client.headers["HX-Request"] = "true"

    kept = expiring_user.send(f"/clinic?clinic={clinic}", "/clinic", **fields)
    shown = expiring_user.client.get("/exceptions?case=added")

    assert (kept.status_code, ENTRY_KEPT_MESSAGE in kept.text) == (200, True)
    assert (kept.headers["hx-retarget"], kept.headers["hx-reswap"]) == ("body", "innerHTML")
    assert (shown.status_code, shown.headers["hx-redirect"]) == (200, "/login?next=%2Fexceptions%3Fcase%3Dadded")


def test_refresh_of_a_page_does_not_keep_the_session_alive(expiring_user: ExpiringUser) -> None:
    def minutes_unused() -> float:
        with transaction(expiring_user.ledger.database) as tx:
            unused = "SELECT extract(epoch FROM now() - last_used_at) / 60 FROM sessions WHERE user_name = :name"
            return float(tx.execute(text(unused), {"name": expiring_user.name}).scalar_one())

    with transaction(expiring_user.ledger.database) as tx:
        earlier = "UPDATE sessions SET last_used_at = now() - interval '50 minutes' WHERE user_name = :name"
        tx.execute(text(earlier), {"name": expiring_user.name})

    assert expiring_user.client.get("/exceptions", headers={"X-Payments-Request": "refresh"}).status_code == 200
    assert minutes_unused() > 49
    assert expiring_user.client.get("/exceptions").status_code == 200
    assert minutes_unused() < 1


def test_passwords_are_not_kept(expiring_user: ExpiringUser) -> None:
    csrf = csrf_of(expiring_user.client.get("/own-account"))
    expiring_user.expire()
    typed = "never in a page 7"

    asked = expiring_user.send(
        "/own-account", "/own-account/password", csrf=csrf, old_password=typed, password=typed, password_again=typed
    )

    assert ENTRY_KEPT_MESSAGE in asked.text
    assert typed not in asked.text
    assert "You are logged in again" in expiring_user.log_in_again(asked).text


def test_damaged_kept_entry_is_refused(expiring_user: ExpiringUser) -> None:
    page = expiring_user.client.get("/login")
    form = {"csrf": csrf_of(page), "name": expiring_user.name, "password": PASSWORD}

    for sent in ("{", "[]", '{"user": "x"}'):
        assert expiring_user.client.post("/login", data=form | {"sent": sent}).status_code == 422
    foreign = json.dumps({"user": expiring_user.name, "page": "https://evil.example/", "path": "/clinic", "fields": []})
    answer = expiring_user.client.post("/login", data=form | {"sent": foreign})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_cookie_outlives_its_session(expiring_user: ExpiringUser) -> None:
    answer = send_login(expiring_user.client, expiring_user.name, PASSWORD)
    cookie = next(each for each in answer.headers.get_list("set-cookie") if "payments_session_8000=" in each)

    assert int(re.search(r"Max-Age=(\d+)", cookie)[1]) == (12 + 24) * 3600
