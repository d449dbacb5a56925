"""Pages, API and command line have the same password limits. A user can log in with any password within them."""

import io
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import uuid4

import pytest

from payments.access import authentication
from payments.access.authentication import LoginAttempt, NewPassword, UserError
from payments.access.passwords import PASSWORD_LENGTH_MAX, PASSWORD_LENGTH_MIN
from payments.access.rights import Role, User
from payments.store.db.connection import Database, Transaction, transaction
from tests.console.conftest import CHEAP, Terminal

NOW = datetime(2026, 6, 10, tzinfo=UTC)
SHORTEST_PASSWORD = "vq7-Lm2,zK9t"  # noqa: S105 (it opens nothing but these tests)
USABLE_PASSWORDS = [
    SHORTEST_PASSWORD,
    (SHORTEST_PASSWORD * 100)[:PASSWORD_LENGTH_MAX],
    "\u00e9\u4e2d\U0001f600\u00fc\u6c34\u0431\u03b1\u0916\u00f8\u4e9a\u0634\u05d0",
    " blanks at both ends ",
    "\u00a0twelve or more",
]
REFUSED_PASSWORDS = [
    ("", "at least 12"),
    ("x" * (PASSWORD_LENGTH_MIN - 1), "at least 12"),
    ("x" * (PASSWORD_LENGTH_MAX + 1), "at most 1,000"),
    ("x" * 100_000, "at most 1,000"),
    ("a tab\tis in it", "a character that a login form cannot send"),
    ("a line\nbreak is in it", "a character that a login form cannot send"),
    ("a NUL\0is in it", "a character that a login form cannot send"),
    ("not UTF-8: \udcff", "a character that a login form cannot send"),
    ("passwordpassword", "easy to guess. Repeats like"),
    ("Password12345", "easy to guess. This is"),
    ("qwertyuiop12", "easy to guess. This is"),
    ("abcdefghijklmnop", "easy to guess. Sequences like"),
    ("ann.miller12", "easy to guess"),
    ("x" * PASSWORD_LENGTH_MAX, "easy to guess. Repeats like"),
]


def log_in(tx: Transaction, name: str, password: str) -> bool:
    attempt = LoginAttempt(name, password, "127.0.0.1", CHEAP)
    return authentication.log_in(tx, attempt, NOW, timedelta(hours=1)).token is not None


@pytest.mark.parametrize("password", USABLE_PASSWORDS)
def test_user_can_log_in_with_any_password_that_can_be_set(tx: Transaction, password: str) -> None:
    authentication.add_user(tx, User("ann.miller", Role.BILLING), NewPassword("another long one", CHEAP), NOW, "tests")
    authentication.set_password(tx, "ann.miller", NewPassword(password, CHEAP), NOW, "tests")

    assert log_in(tx, "ann.miller", password)
    assert not log_in(tx, "ann.miller", f"{password}x")


@pytest.mark.parametrize(("password", "problem"), REFUSED_PASSWORDS)
def test_password_outside_the_limits_is_refused_with_the_reason(tx: Transaction, password: str, problem: str) -> None:
    authentication.add_user(tx, User("ann.miller", Role.BILLING), NewPassword("another long one", CHEAP), NOW, "tests")

    with pytest.raises(UserError, match=problem):
        authentication.add_user(tx, User("ann.miller1", Role.BILLING), NewPassword(password, CHEAP), NOW, "tests")
    with pytest.raises(UserError, match=problem):
        authentication.set_password(tx, "ann.miller", NewPassword(password, CHEAP), NOW, "tests")
    assert log_in(tx, "ann.miller", "another long one")


@pytest.mark.parametrize("length", [PASSWORD_LENGTH_MIN - 1, PASSWORD_LENGTH_MAX + 1])
def test_command_refuses_a_password_outside_the_limits(
    terminal: Terminal, ledger_database: Database, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    monkeypatch.setattr(authentication, "NewPassword", partial(NewPassword, cost=CHEAP))
    name = f"u-{uuid4().hex[:8]}"
    with transaction(ledger_database) as tx:
        authentication.add_user(tx, User(name, Role.BILLING), NewPassword("another long one", CHEAP), NOW, "tests")

    for line in (["password", name], ["add", f"{name}-2", "--role", "billing"]):
        monkeypatch.setattr("sys.stdin", io.StringIO("x" * length + "\n"))
        result = terminal.run("users", *line, "--password-stdin")
        assert result.status == 1
        assert result.err.startswith("payments: the password must have at ")
