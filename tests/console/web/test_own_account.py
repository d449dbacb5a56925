"""The page *Your account*: users first replace a password that an administrator has set. They list and end sessions."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx import Client

from payments.access import authentication
from payments.access.authentication import NewPassword
from payments.access.rights import Role, User
from payments.core.scope import Scope
from payments.store.db.isolation import ALL_COMPANIES
from tests.console.web.conftest import CHEAP, PASSWORD, Browser, client_at, csrf_of, send_login
from tests.console.web.scenarios import LoggedIn, flash_message

pytestmark = pytest.mark.slow

OWN_PASSWORD = "quite another horse"  # noqa: S105 (it opens nothing but these tests)
PASSWORD_FIELDS = ("password", "password_again")
LIMIT_FIELDS = {"company": "company", "clinic": "north"}


@pytest.fixture
def log_in_again(address: str) -> Iterator[Callable[..., Browser]]:
    """Return a function that logs in a user in a new browser."""
    clients: list[Client] = []

    def start(name: str, password: str = PASSWORD) -> Browser:
        client = client_at(address)
        clients.append(client)
        assert send_login(client, name, password).status_code == 303
        return Browser(client, name)

    yield start
    for client in clients:
        client.close()


@pytest.fixture
def user(site: FastAPI) -> str:
    """The name of a new user."""
    name = f"u-{uuid4().hex[:8]}"
    with site.state.console.transaction(ALL_COMPANIES) as tx:
        limited = User(name, Role.BILLING, Scope.of_clinic("company", "north"))
        authentication.add_user(tx, limited, NewPassword(PASSWORD, CHEAP), datetime.now(UTC), "tests")
    return name


def change_password(browser: Browser, old: str = PASSWORD, new: str = OWN_PASSWORD, **fields: str):
    known = {"old_password": old, "password": new, "password_again": new}
    csrf = csrf_of(browser.get("/own-account"))
    return browser.client.post("/own-account/password", data={"csrf": csrf, **known, **fields})


def test_user_must_replace_a_temporary_password_before_using_other_pages(logged_in: LoggedIn, log_in_again) -> None:
    name = f"u-{uuid4().hex[:8]}"
    assert (
        logged_in("admin").post("/users", name=name, role="billing", password=PASSWORD, **LIMIT_FIELDS).status_code
        == 303
    )
    browser = log_in_again(name)

    for path in ("/", "/claims-feed?status=Not+Sent", "/exceptions"):
        assert browser.get(path).headers["location"].startswith("/own-account?next=")
    assert browser.client.get("/api/claims-feed").json()["error"] == "The password of this user is temporary."
    page = browser.get("/own-account", next="/claims-feed?status=Not+Sent")
    assert "An administrator has set the current one" in page.text
    assert browser.post("/exceptions/decide").headers["location"] == "/own-account?next=%2F"
    assert browser.post("/logout").headers["location"] == "/login"


def test_requested_page_opens_after_the_forced_password_change(logged_in: LoggedIn, log_in_again) -> None:
    name = f"u-{uuid4().hex[:8]}"
    logged_in("admin").post("/users", name=name, role="billing", password=PASSWORD, **LIMIT_FIELDS)
    browser = log_in_again(name)

    done = change_password(browser, next="/claims-feed?status=Not+Sent")

    assert (done.status_code, done.headers["location"]) == (303, "/claims-feed?status=Not+Sent")
    assert browser.get("/exceptions").status_code == 200
    assert log_in_again(name, OWN_PASSWORD).get("/").status_code == 200
    logged_in("admin").post("/users/password", name=name, password="set by the admin 7")
    assert browser.get("/").headers["location"] == "/login"
    assert log_in_again(name, "set by the admin 7").get("/").headers["location"] == "/own-account?next=%2F"


@pytest.mark.parametrize(
    ("fields", "field", "sentence"),
    [
        ({"old_password": "wrong"}, "old_password", "This is not your current password."),
        ({"password_again": "something else"}, "password_again", "The passwords differ; type the new one twice."),
        (dict.fromkeys(PASSWORD_FIELDS, "short"), "password", "The password must have at least 12 characters."),
        (dict.fromkeys(PASSWORD_FIELDS, "passwordpassword"), "password", "The password is easy to guess."),
    ],
)
def test_refused_password_change_has_its_message_at_the_field(
    log_in_again, user: str, fields, field: str, sentence: str
) -> None:
    answer = change_password(log_in_again(user), **fields)

    assert answer.status_code == 422
    assert re.search(rf'name="{field}"[^>]*aria-describedby="wrong-{field}"', answer.text)
    assert f'id="wrong-{field}">{sentence}' in answer.text
    assert OWN_PASSWORD not in answer.text
    log_in_again(user)


def test_changed_password_ends_the_other_sessions_only(log_in_again, user: str) -> None:
    here, there = log_in_again(user), log_in_again(user)

    assert change_password(here).status_code == 303

    assert flash_message(here) == "Password changed. Your other sessions have ended."
    assert (here.get("/").status_code, there.get("/").status_code) == (200, 303)


def test_session_can_be_ended_from_another_session(log_in_again, user: str) -> None:
    here, there = log_in_again(user), log_in_again(user)
    page = here.get("/own-account").text
    assert page.count("127.0.0.1") == 2
    assert page.count(">Current<") == 1
    listed = re.findall(r'name="session" value="(\w+)"', page)
    mine = re.search(r'>Current<.*?name="session" value="(\w+)"', page, re.DOTALL)[1]
    (other,) = {*listed} - {mine}

    assert here.post("/own-account/sessions/end", session=other).headers["location"] == "/own-account"
    assert (here.get("/").status_code, there.get("/").status_code) == (200, 303)
    assert here.post("/own-account/sessions/end", session=mine).headers["location"] == "/login"
    assert here.get("/").status_code == 303


def test_session_of_another_user_cannot_be_ended(log_in_again, user: str) -> None:
    victim = log_in_again(user)
    listed = re.findall(r'name="session" value="(\w+)"', victim.get("/own-account").text)

    attacker = log_in_again("billing")
    attacker.post("/own-account/sessions/end", session=listed[0])

    assert flash_message(attacker) == "This session had already ended."
    assert victim.get("/").status_code == 200


def test_account_of_a_user_cannot_be_changed_with_an_api_token(
    site: FastAPI, anonymous_client: Client, user: str
) -> None:
    with site.state.console.transaction(ALL_COMPANIES) as tx:
        token = authentication.create_token(tx, user, datetime.now(UTC), "tests")
    shown = {"authorization": f"Bearer {token}"}
    fields = {"old_password": PASSWORD, "password": OWN_PASSWORD, "password_again": OWN_PASSWORD}

    assert anonymous_client.post("/own-account/password", headers=shown, data=fields).status_code == 403
    assert anonymous_client.post("/own-account/sessions/end", headers=shown, data={"session": "x"}).status_code == 403


def test_administrator_cannot_set_the_own_password_without_the_old_one(logged_in: LoggedIn) -> None:
    admin = logged_in("admin")

    for name in ("admin", "ADMIN"):
        answer = admin.post("/users/password", name=name, password=OWN_PASSWORD)
        assert (answer.status_code, "Change your own password on the page Your account." in answer.text) == (409, True)
        assert admin.post("/users/disable", name=name).status_code == 409
    assert 'action="/users/password"' not in admin.get("/user", name="admin").text
