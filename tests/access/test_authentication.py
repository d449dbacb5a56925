"""Users, logins, sessions and API tokens, tested without the console."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from payments.access import authentication
from payments.access.authentication import Credential, LoginAttempt, NewPassword, SessionUse, UserError
from payments.access.rights import LoginDelays, Role, User
from payments.core.scope import Scope
from payments.store.db.connection import Transaction
from tests.console.web.conftest import CHEAP, PASSWORD

pytestmark = pytest.mark.slow

NOW = datetime(2026, 6, 10, 15, tzinfo=UTC)
LIFETIME, IDLE = timedelta(hours=12), timedelta(hours=1)


def add_user(tx: Transaction, role: Role = Role.BILLING) -> str:
    name = f"user-{uuid4().hex[:8]}"
    authentication.add_user(tx, User(name, role), NewPassword(PASSWORD, CHEAP), NOW, "tests")
    return name


def log_in(tx: Transaction, name: str, password: str, now: datetime = NOW, address: str = "") -> str | None:
    return authentication.log_in(tx, LoginAttempt(name, password, address or uuid4().hex, CHEAP), now, LIFETIME).token


def is_valid(tx: Transaction, token: str, kind: str = "session", at: datetime = NOW, **use: bool) -> bool:
    return authentication.authenticate(tx, Credential(token, kind), SessionUse(at, IDLE, **use)) is not None


def test_session_ends_on_expiry_logout_and_disabling(tx: Transaction) -> None:
    name = add_user(tx)
    token = log_in(tx, name, PASSWORD)
    assert token

    assert is_valid(tx, token)
    assert not is_valid(tx, token, "token")
    assert not is_valid(tx, token, at=NOW + LIFETIME)
    authentication.disable_user(tx, name, NOW, "tests")
    assert not is_valid(tx, token)
    assert log_in(tx, name, PASSWORD) is None


def test_session_expires_when_unused_and_stays_valid_while_used(tx: Transaction) -> None:
    token = log_in(tx, add_user(tx), PASSWORD)
    step = timedelta(minutes=50)

    assert not is_valid(tx, token, at=NOW + IDLE)
    used = [is_valid(tx, token, at=NOW + step * number) for number in range(1, 16)]

    # 14 steps are 11 h 40 min; then the absolute end comes.
    assert used == [True] * 14 + [False]


def test_background_request_does_not_keep_a_session_alive(tx: Transaction) -> None:
    token = log_in(tx, add_user(tx), PASSWORD)

    assert is_valid(tx, token, at=NOW + timedelta(minutes=50), is_background=True)
    assert not is_valid(tx, token, at=NOW + timedelta(minutes=70))


def test_api_token_does_not_expire_when_unused(tx: Transaction) -> None:
    token = authentication.create_token(tx, add_user(tx), NOW, "tests")

    assert is_valid(tx, token, "token", NOW + timedelta(days=300))


@pytest.mark.parametrize("typed", ["KIM.north", "kim.NORTH", "Kim.North"])
def test_user_name_is_case_insensitive(tx: Transaction, typed: str) -> None:
    authentication.add_user(tx, User("Kim.North", Role.BILLING), NewPassword(PASSWORD, CHEAP), NOW, "tests")

    with pytest.raises(UserError, match=r"user Kim\.North already exists"):
        authentication.add_user(tx, User(typed, Role.BILLING), NewPassword(PASSWORD, CHEAP), NOW, "tests")
    for _ in range(LoginDelays().free):
        assert log_in(tx, typed, "wrong") is None
    assert log_in(tx, typed.swapcase(), PASSWORD, NOW + timedelta(seconds=1)) is None
    assert log_in(tx, typed, PASSWORD, NOW + timedelta(seconds=3))
    authentication.set_password(tx, typed, NewPassword("another correct horse", CHEAP), NOW, "tests")
    assert log_in(tx, typed, "another correct horse", NOW + timedelta(seconds=9))
    authentication.disable_user(tx, typed, NOW, "tests")
    assert [row.disabled_at is None for row in authentication.list_users(tx)] == [False]


def test_user_whose_name_differs_only_in_case_is_found_by_the_exact_name(tx: Transaction) -> None:
    authentication.add_user(tx, User("kim", Role.BILLING), NewPassword(PASSWORD, CHEAP), NOW, "tests")
    tx.exec_driver_sql(
        "INSERT INTO users (name, role, password_hash, added_at, added_by, is_namesake) "
        "SELECT 'Kim', 'support', password_hash, added_at, added_by, true FROM users WHERE name = 'kim'"
    )
    found = {typed: authentication.find_user(tx, typed) for typed in ("kim", "Kim", "KIM")}

    assert [(each.name, each.role) for each in found.values()] == [
        ("kim", Role.BILLING),
        ("Kim", Role.SUPPORT),
        ("kim", Role.BILLING),
    ]


def test_new_password_ends_all_sessions_and_tokens(tx: Transaction) -> None:
    name = add_user(tx)
    token, session = authentication.create_token(tx, name, NOW, "tests"), log_in(tx, name, PASSWORD)
    assert session

    authentication.set_password(tx, name, NewPassword("another correct horse", CHEAP), NOW, "tests")

    assert not is_valid(tx, token, "token")
    assert not is_valid(tx, session)
    assert log_in(tx, name, PASSWORD) is None
    assert log_in(tx, name, "another correct horse")


def test_failed_logins_of_a_name_are_delayed_from_any_address(tx: Transaction) -> None:
    name = add_user(tx)
    for _ in range(LoginDelays().free):
        assert log_in(tx, name, "wrong") is None

    assert log_in(tx, name, PASSWORD, NOW + timedelta(seconds=1)) is None
    assert log_in(tx, name, "wrong", NOW + timedelta(seconds=3)) is None
    assert log_in(tx, name, PASSWORD, NOW + timedelta(seconds=5)) is None
    assert log_in(tx, name, PASSWORD, NOW + timedelta(seconds=8))


def test_failed_logins_from_an_address_block_it_for_every_name(tx: Transaction) -> None:
    names = [add_user(tx) for _ in range(3)]
    for attempt in range(21):
        log_in(tx, f"nobody-{attempt}", "wrong", address="10.0.0.9")

    assert [log_in(tx, name, PASSWORD, address="10.0.0.9") for name in names] == [None] * 3
    assert log_in(tx, names[0], PASSWORD, address="10.0.0.8")


@pytest.mark.parametrize(
    ("user", "password", "message"),
    [
        (User("", Role.BILLING), PASSWORD, "a name is"),
        (User("a b", Role.BILLING), PASSWORD, "a name is"),
        (User("short", Role.BILLING), "hunter2", "at least 12 characters"),
        (User("boss", Role.ADMIN, Scope.of_clinics("north")), PASSWORD, "an admin sees every clinic"),
    ],
)
def test_invalid_user_is_refused(tx: Transaction, user: User, password: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        authentication.add_user(tx, user, NewPassword(password, CHEAP), NOW, "tests")


def test_passwords_and_tokens_are_stored_as_hashes(tx: Transaction) -> None:
    name = add_user(tx)
    token = authentication.create_token(tx, name, NOW, "tests")

    stored = tx.exec_driver_sql("SELECT users.*, sessions.* FROM users JOIN sessions ON user_name = name").all()

    assert PASSWORD not in str(stored)
    assert token not in str(stored)
    assert "$argon2id$" in str(stored)


def test_dummy_hash_of_an_unknown_name_has_the_cost_of_a_stored_hash(tx: Transaction) -> None:
    authentication.add_user(tx, User("ann", Role.BILLING), NewPassword(PASSWORD), NOW, "tests")

    stored = tx.exec_driver_sql("SELECT password_hash FROM users WHERE name = 'ann'").scalar_one()

    assert stored.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert LoginAttempt("nobody", "a guess", "10.0.0.7").cost == NewPassword(PASSWORD).cost


def test_audit_history_is_append_only(tx: Transaction) -> None:
    add_user(tx)

    with pytest.raises(Exception, match="append-only"), tx.begin_nested():
        tx.exec_driver_sql("DELETE FROM audit")
