"""A user's own account, tested without the console: the password and the sessions."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from payments.access import authentication, own_account, sessions
from payments.access.authentication import Credential, LoginAttempt, NewPassword, SessionUse
from payments.access.own_account import PasswordChange
from payments.access.rights import LoginDelays, Role, User
from payments.store.db.connection import Transaction
from tests.console.web.conftest import CHEAP, PASSWORD

pytestmark = pytest.mark.slow

NOW, LIFETIME, IDLE = datetime(2026, 6, 10, 15, tzinfo=UTC), timedelta(hours=12), timedelta(hours=1)
ANOTHER_PASSWORD = "quite another horse"  # noqa: S105 (it opens nothing but these tests)


@pytest.fixture
def user(tx: Transaction) -> User:
    """A user whose password an administrator has set."""
    found = User(f"user-{uuid4().hex[:8]}", Role.BILLING)
    authentication.add_user(tx, found, NewPassword(PASSWORD, CHEAP, is_temporary=True), NOW, "tests")
    return found


def log_in(tx: Transaction, user: User, password: str = PASSWORD, now: datetime = NOW) -> str:
    attempt = LoginAttempt(user.name, password, uuid4().hex, CHEAP)
    return authentication.log_in(tx, attempt, now, LIFETIME).token or ""


def is_valid(tx: Transaction, token: str, kind: str = "session") -> bool:
    return authentication.authenticate(tx, Credential(token, kind), SessionUse(NOW, IDLE)) is not None


def change(tx: Transaction, session: tuple[User, str], old: str, new: str, now: datetime = NOW) -> str:
    """Change the user's password. If this is refused, return the name of the refused field and the error."""
    wanted = PasswordChange(*session, old, NewPassword(new, CHEAP), "10.0.0.1")
    problem = own_account.change_password(tx, wanted, now)
    return f"{problem.field}: {problem}" if problem else ""


def test_changed_password_ends_the_other_sessions_and_is_not_temporary(tx: Transaction, user: User) -> None:
    current, other = log_in(tx, user), log_in(tx, user)
    token = authentication.create_token(tx, user.name, NOW, "tests")
    assert own_account.load(tx, user).must_change_password

    assert change(tx, (user, current), PASSWORD, ANOTHER_PASSWORD) == ""

    assert (is_valid(tx, current), is_valid(tx, other), is_valid(tx, token, "token")) == (True, False, True)
    assert not own_account.load(tx, user).must_change_password
    assert log_in(tx, user) == ""
    assert log_in(tx, user, ANOTHER_PASSWORD)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("wrong", ANOTHER_PASSWORD, "old_password: this is not your current password"),
        (PASSWORD, PASSWORD, "password: the new password is the same"),
        (PASSWORD, "short", "password: the password must have at least 12 characters"),
        (PASSWORD, "passwordpassword", "password: the password is easy to guess"),
    ],
)
def test_refused_password_change_changes_nothing(tx: Transaction, user: User, old: str, new: str, problem: str) -> None:
    current, other = log_in(tx, user), log_in(tx, user)

    assert change(tx, (user, current), old, new).startswith(problem)
    assert is_valid(tx, other)
    assert log_in(tx, user)


def test_wrong_old_passwords_are_delayed_like_failed_logins(tx: Transaction, user: User) -> None:
    current = log_in(tx, user)
    for _ in range(LoginDelays().free):
        change(tx, (user, current), "wrong", ANOTHER_PASSWORD)

    refused = change(tx, (user, current), PASSWORD, ANOTHER_PASSWORD, NOW + timedelta(seconds=1))

    assert refused.startswith("old_password: Too many failed logins.")
    assert change(tx, (user, current), PASSWORD, ANOTHER_PASSWORD, NOW + timedelta(seconds=3)) == ""


def test_sessions_are_listed_with_their_last_use_and_end_one_by_one(tx: Transaction, user: User) -> None:
    first, second = log_in(tx, user), log_in(tx, user, now=NOW + timedelta(minutes=1))
    later = SessionUse(NOW + timedelta(minutes=20), IDLE, "10.0.0.2")
    authentication.authenticate(tx, Credential(first, "session"), later)
    foreign = User(f"user-{uuid4().hex[:8]}", Role.BILLING)
    authentication.add_user(tx, foreign, NewPassword(PASSWORD, CHEAP), NOW, "tests")

    rows = own_account.list_sessions(tx, user, later)

    assert [row.reference for row in rows] == [sessions.reference_of(first), sessions.reference_of(second)]
    assert (rows[0].address, rows[0].last_used_at) == ("10.0.0.2", later.at)
    assert rows[1].last_used_at == NOW + timedelta(minutes=1)
    assert own_account.end_session(tx, foreign, rows[1].reference, NOW) is None
    assert own_account.end_session(tx, user, rows[1].reference, NOW) == "session"
    assert own_account.end_session(tx, user, rows[1].reference, NOW) is None
    assert (is_valid(tx, first), is_valid(tx, second)) == (True, False)


def test_use_of_a_session_is_recorded_once_a_minute(tx: Transaction, user: User) -> None:
    token, use = log_in(tx, user), Credential
    times = [NOW + timedelta(seconds=seconds) for seconds in (30, 59, 61, 90)]
    seen = []
    for at in times:
        request = SessionUse(at, IDLE)
        authentication.authenticate(tx, use(token, "session"), request)
        seen.append(own_account.list_sessions(tx, user, request)[0].last_used_at)

    # The first request comes from another address than the login.
    assert seen == [times[0], times[0], times[0], times[3]]
