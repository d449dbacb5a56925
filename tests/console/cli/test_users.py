"""`payments users` adds, lists, changes, disables and enables users. Passwords are read from stdin."""

import io
import json
from functools import partial

import pytest

from payments.access import authentication
from tests.builders.committed import CommittedLedger
from tests.console.conftest import CHEAP, Terminal

PASSWORD = "correct horse battery"  # noqa: S105 (used by this test only)


@pytest.fixture
def run_command(terminal: Terminal, monkeypatch: pytest.MonkeyPatch, billing: CommittedLedger):
    for clinic, company in (("east", "company"), ("west", "company"), ("north", "company"), ("far", "second")):
        billing.set_clinic(clinic, company_id=company)
    monkeypatch.setattr(authentication, "NewPassword", partial(authentication.NewPassword, cost=CHEAP))

    def run_with_password(*arguments: str, password: str = PASSWORD):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
        return terminal.run(*arguments)

    return run_with_password


def test_user_is_added_listed_and_disabled(run_command) -> None:
    made = run_command(
        "users", "add", "tess", "--role", "billing", "--clinic", "east", "--clinic", "west", "--password-stdin"
    )
    assert (made.status, made.err) == (0, "")
    assert made.out == "User tess added with role billing for clinics east, west of company.\n"

    listed = {row["name"]: row for row in run_command("users", "list", "--format", "json").rows}
    shown = tuple(listed["tess"][name] for name in ("role", "companies", "clinics", "disabled_at"))
    assert shown == ("billing", ["company"], ["east", "west"], None)
    assert run_command("users", "password", "tess", "--password-stdin", password="another long one").status == 0
    assert len(run_command("users", "token", "tess").out.strip()) >= 43

    assert run_command("users", "disable", "tess").status == 0
    assert json.loads(run_command("users", "list", "--format", "json").out)[-1]["disabled_at"]
    assert "is disabled" in run_command("users", "token", "tess").err


def test_disabled_user_can_be_enabled_and_is_audited(run_command) -> None:
    run_command("users", "add", "back", "--role", "support", "--password-stdin")
    run_command("users", "disable", "back")

    assert run_command("users", "enable", "back").out == "User back enabled. The user can log in again.\n"

    assert len(run_command("users", "token", "back").out.strip()) >= 43
    assert "user back is not disabled" in run_command("users", "enable", "back").err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--role", "support"), "support for clinics east of company"),
        (("--clinic", "west", "--clinic", "north"), "billing for clinics north, west of company"),
        (("--all-clinics",), "billing for all clinics of company"),
        (("--all-companies",), "billing for all companies"),
        (("--company", "second", "--all-clinics"), "billing for all clinics of second"),
        (("--company", "company", "--company", "second"), "billing for clinics company:east of company, second"),
        (("--role", "admin", "--all-clinics"), "admin for all clinics of company"),
    ],
)
def test_user_change_keeps_omitted_options(run_command, arguments, problem) -> None:
    name = f"moves-{'-'.join(arguments).strip('-')}"
    run_command("users", "add", name, "--role", "billing", "--clinic", "east", "--password-stdin")

    assert run_command("users", "change", name, *arguments).out == f"User {name} now has role {problem}.\n"


@pytest.mark.parametrize(
    ("arguments", "password", "problem"),
    [
        (("add", "x", "--role", "king", "--password-stdin"), PASSWORD, "unknown role 'king'"),
        (("add", "x", "--role", "billing", "--password-stdin"), "short", "at least 12 characters"),
        (("add", "x", "--role", "billing"), PASSWORD, "no terminal to ask for the password"),
        (("password", "nobody", "--password-stdin"), PASSWORD, "there is no user nobody"),
        (("disable", "nobody"), PASSWORD, "there is no user nobody"),
        (("enable", "nobody"), PASSWORD, "there is no user nobody"),
        (("change", "nobody", "--role", "billing"), PASSWORD, "there is no user nobody"),
        (("change", "x", "--clinic", "east", "--all-clinics"), PASSWORD, "choose either --clinic or --all-clinics"),
        (("add", "x", "--role", "billing", "--clinic", "east", "--all-companies"), PASSWORD, "includes every clinic"),
        (
            ("add", "x", "--role", "billing", "--company", "nowhere", "--password-stdin"),
            PASSWORD,
            "is no company nowhere",
        ),
        (("add", "x", "--role", "billing", "--clinic", "eest", "--password-stdin"), PASSWORD, "is no clinic eest"),
        (
            ("add", "x", "--role", "billing", "--company", "second", "--clinic", "east", "--password-stdin"),
            PASSWORD,
            "there is no clinic east in second",
        ),
        (
            ("add", "x", "--role", "admin", "--company", "company", "--clinic", "east", "--password-stdin"),
            PASSWORD,
            "an admin sees every clinic of their companies",
        ),
    ],
)
def test_invalid_user_command_fails_with_one_line(run_command, arguments, password, problem) -> None:
    result = run_command("users", *arguments, password=password)

    assert result.status in {1, 2}
    assert problem in result.err
    assert result.err.count("\n") == 1


def test_user_added_without_a_choice_of_companies_sees_all_with_a_warning(run_command) -> None:
    made = run_command("users", "add", "old-script", "--role", "admin", "--password-stdin")
    chosen = run_command("users", "add", "explicit", "--role", "admin", "--all-companies", "--password-stdin")

    assert (made.status, made.out) == (0, "User old-script added with role admin for all companies.\n")
    assert "--all-companies is assumed" in made.err
    assert (chosen.status, chosen.err) == (0, "")
