"""`payments users`: made, listed, changed and disabled from a terminal; the password comes by the standard input."""

import io
import json
from functools import partial

import pytest

from payments.access import authentication
from tests.console.conftest import CHEAP, Terminal

PASSWORD = "correct horse battery"  # noqa: S105 (it opens nothing but this test)


@pytest.fixture
def types(terminal: Terminal, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(authentication, "Password", partial(authentication.Password, cost=CHEAP))

    def with_password(*arguments: str, password: str = PASSWORD):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
        return terminal.types(*arguments)

    return with_password


def test_user_is_added_listed_and_disabled(types) -> None:
    made = types(
        "users", "add", "tess", "--role", "billing", "--clinic", "east", "--clinic", "west", "--password-stdin"
    )
    assert (made.status, made.out) == (0, "User tess added with role billing for east, west.\n")

    listed = {row["name"]: row for row in types("users", "list", "--format", "json").rows}
    assert (listed["tess"]["role"], listed["tess"]["clinics"], listed["tess"]["disabled_at"]) == (
        "billing",
        ["east", "west"],
        None,
    )
    assert types("users", "password", "tess", "--password-stdin", password="another long one").status == 0
    assert len(types("users", "token", "tess").out.strip()) >= 43

    assert types("users", "disable", "tess").status == 0
    assert json.loads(types("users", "list", "--format", "json").out)[-1]["disabled_at"]
    assert "is disabled" in types("users", "token", "tess").err


def test_disabled_user_can_be_enabled_and_is_audited(types) -> None:
    types("users", "add", "back", "--role", "support", "--password-stdin")
    types("users", "disable", "back")

    assert types("users", "enable", "back").out == "User back enabled. The user can log in again.\n"

    assert len(types("users", "token", "back").out.strip()) >= 43
    assert "user back is not disabled" in types("users", "enable", "back").err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--role", "support"), "support for east"),
        (("--clinic", "west", "--clinic", "north"), "billing for west, north"),
        (("--all-clinics",), "billing for all clinics"),
        (("--role", "admin", "--all-clinics"), "admin for all clinics"),
    ],
)
def test_change_keeps_what_is_left_out(types, arguments, said) -> None:
    name = f"moves-{'-'.join(arguments).strip('-')}"
    types("users", "add", name, "--role", "billing", "--clinic", "east", "--password-stdin")

    assert types("users", "change", name, *arguments).out == f"User {name} now has role {said}.\n"


@pytest.mark.parametrize(
    ("arguments", "password", "said"),
    [
        (("add", "x", "--role", "king", "--password-stdin"), PASSWORD, "there is no role 'king'"),
        (("add", "x", "--role", "billing", "--password-stdin"), "short", "at least 12 characters"),
        (("add", "x", "--role", "billing"), PASSWORD, "no terminal to ask for the password"),
        (("password", "nobody", "--password-stdin"), PASSWORD, "there is no user nobody"),
        (("disable", "nobody"), PASSWORD, "there is no user nobody"),
        (("enable", "nobody"), PASSWORD, "there is no user nobody"),
        (("change", "nobody", "--role", "billing"), PASSWORD, "there is no user nobody"),
        (("change", "x", "--clinic", "east", "--all-clinics"), PASSWORD, "choose either --clinic or --all-clinics"),
    ],
)
def test_invalid_user_command_fails_with_one_line(types, arguments, password, said) -> None:
    answer = types("users", *arguments, password=password)

    assert answer.status in {1, 2}
    assert said in answer.err
    assert answer.err.count("\n") == 1
