"""Who gets in, for how long, and what keeps others from acting in somebody's name."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from fastapi import FastAPI
from httpx import Client

from config.engines import Engines
from config.settings import read_settings
from console.web.app import create_app
from payments.access import authentication
from payments.access.authentication import LoginAttempt, Password, UserError
from payments.access.rights import LoginDelays, Role, User
from payments.store.db.connection import Transaction
from tests.console.web.conftest import CHEAP, PASSWORD, Browser, csrf_of, send_login, served, stranger_at

NOW = datetime(2026, 6, 10, 15, tzinfo=UTC)
LIFE = timedelta(hours=12)


def make(tx: Transaction, role: Role = Role.BILLING) -> str:
    name = f"user-{uuid4().hex[:8]}"
    authentication.add_user(tx, User(name, role), Password(PASSWORD, CHEAP), NOW, "tests")
    return name


def try_with(tx: Transaction, name: str, password: str, now: datetime = NOW, address: str = "") -> str | None:
    return authentication.log_in(tx, LoginAttempt(name, password, address or uuid4().hex, CHEAP), now, LIFE).token


def test_session_ends_on_expiry_logout_and_disabling(tx: Transaction) -> None:
    name = make(tx)
    token = try_with(tx, name, PASSWORD)
    assert token

    def knows(kind: str = "session", after: timedelta = timedelta()) -> bool:
        return authentication.authenticate(tx, token, kind, NOW + after) is not None

    assert knows()
    assert not knows("token")
    assert not knows(after=LIFE)
    authentication.disable_user(tx, name, NOW, "tests")
    assert not knows()
    assert try_with(tx, name, PASSWORD) is None


def test_new_password_ends_all_sessions_and_tokens(tx: Transaction) -> None:
    name = make(tx)
    token, session = authentication.create_token(tx, name, NOW, "tests"), try_with(tx, name, PASSWORD)
    assert session

    authentication.set_password(tx, name, Password("another correct horse", CHEAP), NOW, "tests")

    assert authentication.authenticate(tx, token, "token", NOW) is None
    assert authentication.authenticate(tx, session, "session", NOW) is None
    assert try_with(tx, name, PASSWORD) is None
    assert try_with(tx, name, "another correct horse")


def test_failed_logins_of_a_name_are_delayed_from_any_address(tx: Transaction) -> None:
    name = make(tx)
    for _ in range(LoginDelays().free):
        assert try_with(tx, name, "wrong") is None

    assert try_with(tx, name, PASSWORD, NOW + timedelta(seconds=1)) is None
    assert try_with(tx, name, "wrong", NOW + timedelta(seconds=3)) is None
    assert try_with(tx, name, PASSWORD, NOW + timedelta(seconds=5)) is None
    assert try_with(tx, name, PASSWORD, NOW + timedelta(seconds=8))


def test_failed_logins_from_an_address_block_it_for_every_name(tx: Transaction) -> None:
    names = [make(tx) for _ in range(3)]
    for attempt in range(21):
        try_with(tx, f"nobody-{attempt}", "wrong", address="10.0.0.9")

    assert [try_with(tx, name, PASSWORD, address="10.0.0.9") for name in names] == [None] * 3
    assert try_with(tx, names[0], PASSWORD, address="10.0.0.8")


@pytest.mark.parametrize(("failures", "seconds"), [(0, 0), (4, 0), (5, 2), (6, 4), (10, 64), (14, 900), (10_000, 900)])
def test_login_delay_doubles_up_to_15_minutes(failures: int, seconds: int) -> None:
    assert LoginDelays().after(failures) == seconds


@pytest.mark.parametrize(
    ("user", "password", "said"),
    [
        (User("", Role.BILLING), PASSWORD, "a name is"),
        (User("a b", Role.BILLING), PASSWORD, "a name is"),
        (User("short", Role.BILLING), "hunter2", "at least 12 characters"),
        (User("boss", Role.ADMIN, ("north",)), PASSWORD, "an admin sees every clinic"),
    ],
)
def test_invalid_user_is_refused(tx: Transaction, user: User, password: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        authentication.add_user(tx, user, Password(password, CHEAP), NOW, "tests")


def test_passwords_and_tokens_are_stored_as_hashes(tx: Transaction) -> None:
    name = make(tx)
    token = authentication.create_token(tx, name, NOW, "tests")

    kept = tx.exec_driver_sql("SELECT users.*, sessions.* FROM users JOIN sessions ON user_name = name").all()

    assert PASSWORD not in str(kept)
    assert token not in str(kept)
    assert "$argon2id$" in str(kept)


def test_login_costs_the_same_for_unknown_names(tx: Transaction) -> None:
    authentication.add_user(tx, User("ann", Role.BILLING), Password(PASSWORD), NOW, "tests")

    kept = tx.exec_driver_sql("SELECT password_hash FROM users WHERE name = 'ann'").scalar_one()

    assert kept.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert LoginAttempt("nobody", "a guess", "10.0.0.7").cost == Password(PASSWORD).cost


def test_audit_history_is_append_only(tx: Transaction) -> None:
    make(tx)

    with pytest.raises(Exception, match="append-only"), tx.begin_nested():
        tx.exec_driver_sql("DELETE FROM audit")


def test_login_redirects_only_to_own_pages(address: str) -> None:
    for wanted, leads_to in [("/exceptions?case=added", None), ("//evil.example", "/"), ("https://evil.example", "/")]:
        with stranger_at(address, "127.0.0.2") as client:
            answer = send_login(client, "billing", PASSWORD, next=wanted)

            assert answer.status_code == 303
            assert answer.headers["location"] == (leads_to or wanted)
            cookie = next(each for each in answer.headers.get_list("set-cookie") if "payments_session=" in each)
            assert "HttpOnly" in cookie
            assert "SameSite=lax" in cookie


@pytest.fixture
def proxied(engines: Engines, site: FastAPI, tmp_path: Path) -> Iterator[str]:
    """Where the same console is served to a proxy that speaks https."""
    app = create_app(read_settings({"PAYMENTS_HOME": str(tmp_path), "PAYMENTS_CONSOLE_HTTPS": "true"}), engines)
    with served(app) as address:
        yield address
    app.state.console.database.dispose()
    app.state.console.feed.close()


def test_https_sets_secure_cookies_and_hsts(proxied: str) -> None:
    with stranger_at(proxied, "127.0.0.5") as client:
        page = client.get("/login")
        form = {"csrf": csrf_of(page), "name": "billing", "password": PASSWORD}
        # A client keeps a Secure cookie to itself where no https is spoken; the proxy's visitor sends it.
        sent = {"cookie": page.headers["set-cookie"].partition(";")[0]}
        answer = client.post("/login", data=form, headers=sent)

    cookies = [*page.headers.get_list("set-cookie"), *answer.headers.get_list("set-cookie")]
    set_to_something = [cookie for cookie in cookies if '=""' not in cookie]
    assert [cookie.partition("=")[0] for cookie in set_to_something] == ["payments_login", "payments_session"]
    for cookie in set_to_something:
        assert all(word in cookie for word in ("Secure", "HttpOnly", "SameSite=")), cookie
    assert answer.headers["strict-transport-security"] == "max-age=31536000"


def test_wrong_password_and_unknown_name_have_the_same_answer(address: str) -> None:
    with stranger_at(address, "127.0.0.3") as client:
        answers = [send_login(client, name, "not this one") for name in ("billing", "nobody-at-all")]

    assert [answer.status_code for answer in answers] == [401, 401]
    assert all("Incorrect name or password." in answer.text for answer in answers)


def test_form_without_csrf_token_changes_nothing(visitor: Callable[[str], Browser], address: str) -> None:
    admin = visitor("admin")
    forged = {"name": "mallory", "role": "admin", "password": PASSWORD}

    for csrf in (None, "", "0" * 64, visitor("billing").csrf):
        answer = admin.client.post("/users", data=forged | ({} if csrf is None else {"csrf": csrf}))
        assert answer.status_code == 403
        assert "This form has expired" in answer.text
    assert admin.client.post("/api/requeue", json={"payments": ["a/b/c"]}).status_code == 403
    assert "mallory" not in admin.get("/users").text
    with stranger_at(address) as client:
        assert client.post("/login", data={"name": "billing", "password": PASSWORD}).status_code == 403


def test_logout_ends_the_session_on_the_server(address: str) -> None:
    with stranger_at(address, "127.0.0.4") as client:
        send_login(client, "billing", PASSWORD)
        kept = dict(client.cookies)
        assert Browser(client, "billing").post("/logout").status_code == 303

        client.cookies.update(kept)
        assert client.get("/").status_code == 303


def test_api_token_works_until_its_user_is_disabled(site: FastAPI, stranger: Client) -> None:
    now = datetime.now(UTC)
    with site.state.console.transaction() as tx:
        name = make(tx)
        token = authentication.create_token(tx, name, now, "tests")
    shown = {"authorization": f"Bearer {token}"}

    assert stranger.get("/api/claims-feed", headers=shown).status_code == 200
    answer = stranger.post("/api/requeue", headers=shown, json={"payments": ["no/such/payment"]})
    assert answer.json() == {"count": 0, "passed_over": ["no/such/payment"]}

    with site.state.console.transaction() as tx:
        authentication.disable_user(tx, name, now, "tests")
    assert stranger.get("/api/claims-feed", headers=shown).status_code == 401


def test_every_response_has_security_headers(visitor: Callable[[str], Browser], stranger: Client) -> None:
    answers = [visitor("admin").get(path) for path in ("/", "/claims-feed", "/no-such-page", "/account?patient=x")]

    for answer in [*answers, stranger.get("/login"), stranger.get("/claims-feed")]:
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
        assert "<script>" not in answer.text
        assert " style=" not in answer.text
        assert " onclick" not in answer.text
