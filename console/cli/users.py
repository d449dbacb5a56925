"""`payments users`: the users of the console, and API tokens."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

import getpass
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.arguments import FormOption, RawOption, parse_identifier
from console.cli.confirmation import DryRunOption, YesOption, confirm, must_ask
from console.cli.printing import Output, show
from console.cli.session import current_user, open_database, open_transaction
from console.cli.terminal import print_line
from console.errors import CommandError
from console.plurals import plural
from console.reports.output import OutputFormat
from console.reports.users import USERS, user_records
from payments.core.scope import Scope

if TYPE_CHECKING:
    from payments.access.rights import Role, User

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the user.")]
StdinOption = Annotated[bool, typer.Option("--password-stdin", help="Read the password from the standard input.")]


@app.command(
    epilog="Example: payments users add ann --role billing\n\n"
    "Example: payments users add front --role front-office --clinic north --clinic south"
)
def add(
    name: NameArgument,
    role: Annotated[str, typer.Option(help="front-office, billing, support, operator or admin.")],
    clinic: Annotated[
        list[str] | None, typer.Option(help="Limit the user to this clinic; repeat for more. Default: all clinics.")
    ] = None,
    *,
    password_stdin: StdinOption = False,
) -> None:
    """Add a user of the console. The command asks for the password."""
    from payments.access import authentication
    from payments.access.rights import User

    user = User(name, _role(role), Scope(clinics=_limit(clinic)))
    password = _password(from_stdin=password_stdin)
    with open_transaction() as tx:
        authentication.add_user(tx, user, authentication.NewPassword(password), datetime.now(UTC), current_user())
    print_line(f"User {name} added with role {user.role} for {_clinics_text(user)}.")


@app.command("list", epilog="Example: payments users list")
def list_users(*, output_format: FormOption = OutputFormat.TABLE, raw: RawOption = False) -> None:
    """List the users."""
    from payments.access import authentication

    output = Output(output_format, is_raw=raw)
    output.check()
    with open_transaction() as tx:
        rows = authentication.list_users(tx)
    show(user_records(rows), USERS, output)


@app.command(epilog="Example: payments users password ann")
def password(name: NameArgument, *, password_stdin: StdinOption = False) -> None:
    """Set a user's password. All sessions and tokens of the user end."""
    from payments.access import authentication

    new = _password(from_stdin=password_stdin)
    with open_transaction() as tx:
        authentication.set_password(tx, name, authentication.NewPassword(new), datetime.now(UTC), current_user())
    print_line(f"Password of user {name} changed. All sessions and tokens have ended.")


@app.command(
    epilog="Example: payments users change ann --role support\n\n"
    "Example: payments users change front --clinic south\n\nExample: payments users change front --all-clinics"
)
def change(
    name: NameArgument,
    role: Annotated[str | None, typer.Option(help="The new role. Default: unchanged.")] = None,
    clinic: Annotated[
        list[str] | None, typer.Option(help="Limit the user to this clinic; repeat for more. Default: unchanged.")
    ] = None,
    *,
    all_clinics: Annotated[bool, typer.Option("--all-clinics", help="Remove the limit to clinics.")] = False,
) -> None:
    """Change a user's role or clinics immediately. Omitted options change nothing."""
    from payments.access import authentication
    from payments.access.rights import User

    if clinic and all_clinics:
        raise typer.BadParameter("choose either --clinic or --all-clinics", param_hint="'--all-clinics'")
    chosen = _limit(clinic)
    with open_transaction() as tx:
        before = authentication.lock_user(tx, name)
        clinics = None if all_clinics else chosen or before.scope.clinics
        user = User(name, before.role if role is None else _role(role), Scope(clinics=clinics))
        authentication.change_user(tx, user, datetime.now(UTC), current_user())
    print_line(f"User {name} now has role {user.role} for {_clinics_text(user)}.")


@app.command(epilog="Example: payments users disable ann")
def disable(name: NameArgument, *, yes: YesOption = False, dry_run: DryRunOption = False) -> None:
    """Disable a user immediately. All sessions and tokens of the user end permanently; the audit history is kept.

    On a terminal the command asks for confirmation, with the number of sessions and tokens.
    """
    from payments.access import authentication
    from payments.store.db.connection import transaction

    with open_database() as opened:
        if dry_run or must_ask(yes=yes):
            now = datetime.now(UTC)
            with transaction(opened) as tx:
                count = authentication.count_sessions(tx, name, now)
            ending = plural(count, "session or token", "sessions or tokens")
            expected = f"User {name} would be disabled. This would end {ending}."
            if dry_run:
                print_line(f"{expected} Nothing was changed.")
                return
            confirm(f"{expected} Disable the user?")
        with transaction(opened) as tx:
            authentication.disable_user(tx, name, datetime.now(UTC), current_user())
    print_line(f"User {name} disabled. All sessions and tokens have ended.")


@app.command(epilog="Example: payments users enable ann")
def enable(name: NameArgument) -> None:
    """Enable a disabled user. Earlier sessions and tokens stay invalid."""
    from payments.access import authentication

    with open_transaction() as tx:
        authentication.enable_user(tx, name, datetime.now(UTC), current_user())
    print_line(f"User {name} enabled. The user can log in again.")


@app.command(epilog="Example: payments users token emr")
def token(name: NameArgument) -> None:
    """Create an API token for a program that acts as this user. It is valid for one year and shown only once."""
    from payments.access import authentication

    with open_transaction() as tx:
        made = authentication.create_token(tx, name, datetime.now(UTC), current_user())
    sys.stdout.write(f"{made}\n")


def _limit(clinic: list[str] | None) -> frozenset[str] | None:
    return frozenset(parse_identifier(each, "--clinic") for each in clinic) if clinic else None


def _clinics_text(user: User) -> str:
    return "all clinics" if user.scope.clinics is None else ", ".join(sorted(user.scope.clinics))


def _role(text: str) -> Role:
    from payments.access.rights import Role

    try:
        return Role(text.strip().casefold().replace(" ", "-").replace("_", "-"))
    except ValueError:
        raise typer.BadParameter(
            f"there is no role {text!r}; choose from: {', '.join(Role)}", param_hint="'--role'"
        ) from None


def _password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise CommandError("no terminal to ask for the password; pipe it in with --password-stdin", 2)
    typed = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != typed:
        raise CommandError("the passwords differ; nothing was changed", 2)
    return typed
