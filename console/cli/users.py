"""`payments users`: the users of the console, and API tokens."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

import getpass
import sys
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.arguments import FormatOption, RawOption, parse_identifier
from console.cli.confirmation import DryRunOption, YesOption, confirm, must_ask
from console.cli.printing import Output, show
from console.cli.session import current_user, open_database, open_transaction
from console.cli.terminal import print_line, print_warning
from console.errors import CommandError
from console.plurals import plural
from console.reports.output import OutputFormat
from console.reports.users import USERS, user_records
from payments.core.scope import EVERYTHING, Scope

if TYPE_CHECKING:
    from payments.access.rights import Role
    from payments.store.db.connection import Transaction

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the user.")]
AllCompaniesOption = Annotated[
    bool, typer.Option("--all-companies", help="Let the user see all clinics of all companies, also of future ones.")
]
_CLINIC_HELP = "Limit the user to this clinic, or `company:clinic` if several companies have it. May be repeated."
_TEMPORARY_HELP = "Require the user to set a new password at the next login."
TemporaryOption = Annotated[bool, typer.Option("--temporary", help=_TEMPORARY_HELP)]
StdinOption = Annotated[bool, typer.Option("--password-stdin", help="Read the password from the standard input.")]


@app.command(
    epilog="Example: payments users add ann --role billing --company acme\n\n"
    "Example: payments users add front --role front-office --company acme --clinic north --clinic south\n\n"
    "Example: payments users add root --role admin --all-companies"
)
def add(  # noqa: PLR0913 (each parameter is an option)
    name: NameArgument,
    role: Annotated[str, typer.Option(help="front-office, billing, support, operator or admin.")],
    company: Annotated[list[str] | None, typer.Option(help="A company of the user. May be repeated.")] = None,
    clinic: Annotated[
        list[str] | None,
        typer.Option(help=f"{_CLINIC_HELP} Default: all clinics of the companies."),
    ] = None,
    *,
    all_companies: AllCompaniesOption = False,
    temporary: TemporaryOption = False,
    password_stdin: StdinOption = False,
) -> None:
    """Add a user of the console. The command asks for the password.

    With --clinic but without --company, the user belongs to the companies of these clinics. Without --company, --clinic
    and --all-companies, the user belongs to all companies, and the command prints a warning.
    """
    from payments.access import authentication
    from payments.access.rights import User

    given, choice = _parse_role(role), _scope_choice(company, clinic, all_companies=all_companies)
    password = authentication.NewPassword(_read_password(from_stdin=password_stdin), is_temporary=temporary)
    with open_transaction() as tx:
        user = User(name, given, choice.applied_to(tx, EVERYTHING))
        authentication.add_user(tx, user, password, datetime.now(UTC), current_user())
    if choice.is_empty:
        print_warning("--all-companies is assumed; choose --company or --all-companies in scripts")
    print_line(f"User {name} added with role {user.role} for {authentication.describe_scope(user.scope)}.")


@app.command("list", epilog="Example: payments users list")
def list_users(
    *,
    company: Annotated[str | None, typer.Option(help="Only users who may see this company.")] = None,
    output_format: FormatOption = OutputFormat.TABLE,
    raw: RawOption = False,
) -> None:
    """List the users."""
    from payments.access import authentication

    output = Output(output_format, is_raw=raw)
    output.check()
    with open_transaction() as tx:
        rows = authentication.list_users(tx)
    if company is not None:
        rows = [row for row in rows if row.user.scope.narrowed_to_company(company).companies]
    show(user_records(rows), USERS, output)


@app.command(epilog="Example: payments users password ann")
def password(name: NameArgument, *, temporary: TemporaryOption = False, password_stdin: StdinOption = False) -> None:
    """Set a user's password. All sessions and tokens of the user end."""
    from payments.access import authentication

    new = authentication.NewPassword(_read_password(from_stdin=password_stdin), is_temporary=temporary)
    with open_transaction() as tx:
        authentication.set_password(tx, name, new, datetime.now(UTC), current_user())
    print_line(f"Password of user {name} changed. All sessions and tokens have ended.")


@app.command(
    epilog="Example: payments users change ann --role support\n\n"
    "Example: payments users change front --company acme --all-clinics\n\n"
    "Example: payments users change front --clinic south"
)
def change(  # noqa: PLR0913 (each parameter is an option)
    name: NameArgument,
    role: Annotated[str | None, typer.Option(help="The new role. Default: unchanged.")] = None,
    company: Annotated[
        list[str] | None, typer.Option(help="A company of the user. May be repeated. Default: unchanged.")
    ] = None,
    clinic: Annotated[
        list[str] | None,
        typer.Option(help=f"{_CLINIC_HELP} Default: unchanged."),
    ] = None,
    *,
    all_companies: AllCompaniesOption = False,
    all_clinics: Annotated[
        bool, typer.Option("--all-clinics", help="Let the user see all clinics of the companies.")
    ] = False,
) -> None:
    """Change a user's role, companies or clinics. The change applies immediately. Omitted options change nothing."""
    from payments.access import authentication
    from payments.access.rights import User

    if clinic and all_clinics:
        raise typer.BadParameter("choose either --clinic or --all-clinics", param_hint="'--all-clinics'")
    choice = _scope_choice(company, clinic, all_companies=all_companies)
    with open_transaction() as tx:
        before = authentication.lock_user(tx, name)
        scope = replace(before.scope, clinics=None) if all_clinics else before.scope
        user = User(name, before.role if role is None else _parse_role(role), choice.applied_to(tx, scope))
        authentication.change_user(tx, user, datetime.now(UTC), current_user())
    print_line(f"User {name} now has role {user.role} for {authentication.describe_scope(user.scope)}.")


@app.command(epilog="Example: payments users disable ann")
def disable(name: NameArgument, *, yes: YesOption = False, dry_run: DryRunOption = False) -> None:
    """Disable a user immediately. All sessions and tokens of the user end for good; the audit history is kept.

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
    """Create an API token for a program that acts as this user. The token is valid for one year and shown only once."""
    from payments.access import authentication

    with open_transaction() as tx:
        made = authentication.create_token(tx, name, datetime.now(UTC), current_user())
    sys.stdout.write(f"{made}\n")


@dataclass(frozen=True)
class _ScopeChoice:
    """The companies and clinics that the options name. A field is None if no option names any."""

    companies: frozenset[str] | None
    clinics: frozenset[str] | None
    all_companies: bool

    @property
    def is_empty(self) -> bool:
        """Whether no option was given."""
        return self.companies is None and self.clinics is None and not self.all_companies

    def applied_to(self, tx: Transaction, before: Scope) -> Scope:
        """Return a user's new scope: the scope `before`, changed by the options.

        Companies and clinics that no option names stay as in `before`. A scope with clinics but without companies gets
        the companies of its clinics. With `--all-companies`, the new scope is EVERYTHING. Raises UserError if a clinic
        does not exist in the companies, or if several of them have a clinic with this id.
        """
        from payments.access.authentication import choose_clinics

        if self.all_companies:
            return EVERYTHING
        companies, names = self.companies or before.companies, self.clinics or before.qualified_clinic_ids
        if names is None:
            return Scope(companies, None)
        return choose_clinics(tx, companies or None, names)


def _scope_choice(company: list[str] | None, clinic: list[str] | None, *, all_companies: bool) -> _ScopeChoice:
    if all_companies and (company or clinic):
        raise typer.BadParameter(
            "--all-companies includes every clinic; leave --company and --clinic out", param_hint="'--all-companies'"
        )
    companies = frozenset(parse_identifier(each, "--company") for each in company or ())
    clinics = frozenset(parse_identifier(each, "--clinic") for each in clinic or ())
    return _ScopeChoice(companies or None, clinics or None, all_companies)


def _parse_role(text: str) -> Role:
    from payments.access.rights import Role

    try:
        return Role(text.strip().casefold().replace(" ", "-").replace("_", "-"))
    except ValueError:
        raise typer.BadParameter(
            f"unknown role {text!r}; choose from: {', '.join(Role)}", param_hint="'--role'"
        ) from None


def _read_password(*, from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise CommandError("no terminal to ask for the password; pipe it in with --password-stdin", 2)
    typed = getpass.getpass("Password: ")
    if getpass.getpass("Repeat the password: ") != typed:
        raise CommandError("the passwords differ; nothing was changed", 2)
    return typed
