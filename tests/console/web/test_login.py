"""The login page, cookies, API tokens and protection against forged requests."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx import Client

from config.engines import Engines
from config.settings import read_settings
from console.web.app import create_app
from payments.access import authentication
from payments.access.authentication import NewPassword
from payments.access.rights import Role, User
from payments.store.db.isolation import ALL_COMPANIES
from tests.console.web.conftest import CHEAP, PASSWORD, Browser, client_at, csrf_of, send_login, serve

pytestmark = pytest.mark.slow


def test_login_redirects_only_to_own_pages(address: str) -> None:
    for wanted, expected in [("/exceptions?case=added", None), ("//evil.example", "/"), ("https://evil.example", "/")]:
        with client_at(address, "127.0.0.2") as client:
            answer = send_login(client, "billing", PASSWORD, next=wanted)

            assert answer.status_code == 303
            assert answer.headers["location"] == (expected or wanted)
            cookie = next(each for each in answer.headers.get_list("set-cookie") if "payments_session_8000=" in each)
            assert "HttpOnly" in cookie
            assert "SameSite=lax" in cookie


@pytest.fixture
def proxied_url(engines: Engines, site: FastAPI, tmp_path: Path) -> Iterator[str]:
    """The URL of a console that runs with PAYMENTS_CONSOLE_HTTPS, as behind a TLS proxy."""
    app = create_app(read_settings({"PAYMENTS_HOME": str(tmp_path), "PAYMENTS_CONSOLE_HTTPS": "true"}), engines)
    with serve(app) as address:
        yield address
    app.state.console.database.dispose()
    app.state.console.feed.close()


def test_https_sets_secure_cookies_and_hsts(proxied_url: str) -> None:
    with client_at(proxied_url, "127.0.0.5") as client:
        page = client.get("/login")
        form = {"csrf": csrf_of(page), "name": "billing", "password": PASSWORD}
        # The client does not send a Secure cookie over HTTP; a browser behind the proxy does.
        sent = {"cookie": page.headers["set-cookie"].partition(";")[0]}
        answer = client.post("/login", data=form, headers=sent)

    cookies = [*page.headers.get_list("set-cookie"), *answer.headers.get_list("set-cookie")]
    set_to_something = [cookie for cookie in cookies if '=""' not in cookie]
    assert [cookie.partition("=")[0] for cookie in set_to_something] == ["payments_login_8000", "payments_session_8000"]
    for cookie in set_to_something:
        assert all(word in cookie for word in ("Secure", "HttpOnly", "SameSite=")), cookie
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_wrong_password_and_unknown_name_have_the_same_response(address: str) -> None:
    with client_at(address, "127.0.0.3") as client:
        answers = [send_login(client, name, "not this one") for name in ("billing", "nobody-at-all")]

    assert [answer.status_code for answer in answers] == [401, 401]
    assert all("Incorrect name or password." in answer.text for answer in answers)


def test_form_without_csrf_token_changes_nothing(logged_in: Callable[[str], Browser], address: str) -> None:
    admin = logged_in("admin")
    forged = {"name": "mallory", "role": "admin", "password": PASSWORD}

    for csrf in (None, "", "0" * 64, logged_in("billing").csrf):
        answer = admin.client.post("/users", data=forged | ({} if csrf is None else {"csrf": csrf}))
        assert answer.status_code == 403
        assert "This form has expired" in answer.text
    assert admin.client.post("/api/requeue", json={"payments": ["a/b/c"]}).status_code == 403
    assert "mallory" not in admin.get("/users").text
    with client_at(address) as client:
        assert client.post("/login", data={"name": "billing", "password": PASSWORD}).status_code == 403


def test_logout_ends_the_session_on_the_server(address: str) -> None:
    with client_at(address, "127.0.0.4") as client:
        send_login(client, "billing", PASSWORD)
        kept = dict(client.cookies)
        assert Browser(client, "billing").post("/logout").status_code == 303

        client.cookies.update(kept)
        assert client.get("/").status_code == 303


def test_api_token_works_until_its_user_is_disabled(site: FastAPI, anonymous_client: Client) -> None:
    name, now = f"user-{uuid4().hex[:8]}", datetime.now(UTC)
    with site.state.console.transaction(ALL_COMPANIES) as tx:
        authentication.add_user(tx, User(name, Role.BILLING), NewPassword(PASSWORD, CHEAP), now, "tests")
        token = authentication.create_token(tx, name, now, "tests")
    shown = {"authorization": f"Bearer {token}"}

    assert anonymous_client.get("/api/claims-feed", headers=shown).status_code == 200
    answer = anonymous_client.post("/api/requeue", headers=shown, json={"payments": ["no/such/payment"]})
    assert answer.json() == {"count": 0, "passed_over": ["no/such/payment"]}

    with site.state.console.transaction(ALL_COMPANIES) as tx:
        authentication.disable_user(tx, name, now, "tests")
    assert anonymous_client.get("/api/claims-feed", headers=shown).status_code == 401


def test_every_response_has_security_headers(logged_in: Callable[[str], Browser], anonymous_client: Client) -> None:
    answers = [logged_in("admin").get(path) for path in ("/", "/claims-feed", "/no-such-page", "/account?patient=x")]

    for answer in [*answers, anonymous_client.get("/login"), anonymous_client.get("/claims-feed")]:
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "<script>" not in answer.text
        assert " style=" not in answer.text
        assert " onclick" not in answer.text


def test_token_that_posts_logout_stays_valid(site: FastAPI, anonymous_client: Client) -> None:
    with site.state.console.transaction(ALL_COMPANIES) as tx:
        token = authentication.create_token(tx, "billing", datetime.now(UTC), "tests")
    shown = {"authorization": f"Bearer {token}"}

    answer = anonymous_client.post("/logout", headers=shown)

    assert answer.status_code == 403
    assert "A token cannot log out." in answer.text
    assert anonymous_client.get("/api/claims-feed", headers=shown).status_code == 200


def test_consoles_on_one_host_keep_their_sessions(engines: Engines, site: FastAPI, tmp_path: Path) -> None:
    with client_at("http://127.0.0.1", "127.0.0.6") as client:
        addresses = []
        for port in ("8001", "8002"):
            home = {"PAYMENTS_HOME": str(tmp_path), "PAYMENTS_CONSOLE_PORT": port}
            app = create_app(read_settings(home), engines)
            with serve(app) as address:
                form = {"csrf": csrf_of(client.get(f"{address}/login")), "name": "billing", "password": PASSWORD}
                assert client.post(f"{address}/login", data=form).status_code == 303
                addresses.append(address)
            app.state.console.database.dispose()
            app.state.console.feed.close()

        assert sorted(name for name in client.cookies if "session" in name) == [
            "payments_session_8001",
            "payments_session_8002",
        ]


@pytest.mark.parametrize("path", ["/exceptions/1/accept", "/claims-feed/requeue", "/users", "/clinic", "/requeue-runs"])
def test_form_posted_without_a_session_redirects_to_login_and_says_nothing_was_done(address: str, path: str) -> None:
    with client_at(address, "127.0.0.7") as client:
        page = {"referer": f"{address}/exceptions?case=added"}
        answer = client.post(path, data={"version": "1"}, headers=page)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fexceptions%3Fcase%3Dadded")

        login = client.get(answer.headers["location"])
        assert "Your session has ended, so nothing was done. Log in, and fill in the form again." in login.text
        assert "nothing was done" not in client.get("/login").text

        assert client.post("/logout").headers["location"] == "/login"
        assert "nothing was done" not in client.get("/login").text
        answer = client.post("/api/requeue", json={"payments": ["a/b/c"]})
        assert answer.json()["error"] == "The request has no valid session or token. Nothing was changed."
