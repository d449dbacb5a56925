"""`payments users`: made, listed, changed and disabled from a terminal; the password comes by the standard input."""

import io
import json

import pytest

from tests.console.conftest import Terminal

PASSWORD = "correct horse battery"  # noqa: S105 (it opens nothing but this test)


@pytest.fixture
def types(terminal: Terminal, monkeypatch: pytest.MonkeyPatch):
    def with_password(*arguments: str, password: str = PASSWORD):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
        return terminal.types(*arguments)

    return with_password


def test_a_user_is_made_listed_and_disabled(types) -> None:
    made = types(
        "users", "add", "tess", "--role", "billing", "--clinic", "east", "--clinic", "west", "--password-stdin"
    )
    assert (made.status, made.out) == (0, "User tess can log in as billing, for east, west.\n")

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


@pytest.mark.parametrize(
    ("arguments", "password", "said"),
    [
        (("add", "x", "--role", "king", "--password-stdin"), PASSWORD, "no role is called 'king'"),
        (("add", "x", "--role", "billing", "--password-stdin"), "short", "at least 12 characters"),
        (("add", "x", "--role", "billing"), PASSWORD, "no terminal to ask for the password"),
        (("password", "nobody", "--password-stdin"), PASSWORD, "there is no user nobody"),
        (("disable", "nobody"), PASSWORD, "there is no user nobody"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(types, arguments, password, said) -> None:
    answer = types("users", *arguments, password=password)

    assert answer.status in {1, 2}
    assert said in answer.err
    assert answer.err.count("\n") == 1
