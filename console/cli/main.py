"""The `payments` command. It registers all commands, and turns errors into one line and an exit status."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Annotated

import typer

from console.cli import (
    accounts,
    balancing,
    company,
    demo,
    deposits,
    drawers,
    emr,
    entries,
    exception_work,
    exceptions,
    months,
    moving,
    notes,
    outbox,
    payment_log,
    refunds,
    replay,
    reports,
    requeue,
    settings,
    stack,
    transfers,
    users,
)
from console.cli.help_texts import adapt_help
from console.cli.parameters import list_choices
from console.cli.repeated_options import refuse_repeated_options
from console.cli.terminal import print_error, print_line, use_utf8
from console.cli.usage_errors import describe_usage_error

_RUN, _REPORTS, _CHANGE, _EMR = "Run", "Look up payments", "Change", "EMR side"

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False)


@dataclass
class _GlobalOptions:
    """The options that apply to every command."""

    traceback: bool = False


def _print_version(is_requested: bool) -> None:  # noqa: FBT001 (typer calls it so)
    if is_requested:
        from importlib.metadata import version

        print_line(f"payments {version('payments')}")
        raise typer.Exit


@app.callback(epilog="Example: payments demo\n\nEvery command has its own help: payments report claims-feed --help")
def _payments(
    context: typer.Context,
    *,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show the traceback of an unexpected error.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Import every patient payment saved in the EMR into the billing ledger, and show the state of each."""
    context.obj.traceback = traceback


app.command(rich_help_panel=_RUN, epilog="Example: payments demo")(demo.demo)
app.command(rich_help_panel=_RUN, epilog="Example: PAYMENTS_HOME=~/payments payments up")(stack.up)
app.command(rich_help_panel=_RUN, epilog="Example: payments health && echo healthy")(stack.health)
app.command(rich_help_panel=_RUN, epilog="Example: payments wait --timeout 60")(stack.wait)
app.add_typer(
    reports.app,
    name="report",
    rich_help_panel=_REPORTS,
    help="Print a report.",
    epilog="Example: payments report claims-feed --summary",
)
reports.app.add_typer(balancing.app)
reports.app.add_typer(payment_log.app)
reports.app.command("account", epilog="Example: payments report account P-1042")(accounts.account)
reports.app.command("exceptions", epilog="Example: payments report exceptions --status all")(exceptions.report)
app.command(
    rich_help_panel=_REPORTS,
    epilog='Example: payments search "ada lovelace"\n\nExample: payments search 25.00 --format json',
)(reports.search)
app.command(rich_help_panel=_REPORTS, epilog="Example: payments timeline north/p-1001/1")(reports.timeline)
app.add_typer(
    settings.app,
    name="settings",
    rich_help_panel=_CHANGE,
    help="Show or change the settings of clinics.",
    epilog="Example: payments settings show",
)
app.add_typer(
    company.app,
    name="company",
    rich_help_panel=_CHANGE,
    help="Change the settings of a company, or move it to another installation.",
    epilog="Example: payments company set acme --timezone America/Denver",
)
company.app.add_typer(moving.app)
app.add_typer(
    exceptions.app,
    name="exceptions",
    rich_help_panel=_CHANGE,
    help="Decide and assign Billing Exceptions, and undo decisions.",
    epilog="Example: payments exceptions accept 17 18",
)
exceptions.app.add_typer(exception_work.app)
app.add_typer(
    notes.app,
    name="notes",
    rich_help_panel=_CHANGE,
    help="Add and show internal notes on payments and accounts.",
    epilog="Example: payments notes list --payment north/p-1001/1",
)
app.add_typer(
    entries.app,
    name="entries",
    rich_help_panel=_CHANGE,
    help="Make manual entries, link them to payments, and reverse them.",
    epilog="Example: payments entries list --patient P-1042",
)
for _app, _name, _help, _example in (
    (drawers.app, "drawers", "Open, count and close the cash drawers of clinics.", "list --clinic north"),
    (deposits.app, "deposits", "Make and reverse deposits at the bank.", "undeposited --clinic north --method Check"),
    (refunds.app, "refunds", "Request, issue and void refunds; record returned payments.", "list --status requested"),
    (transfers.app, "transfers", "Move money to another patient, and undo it.", "list --patient P-1042"),
):
    app.add_typer(_app, name=_name, rich_help_panel=_CHANGE, help=_help, epilog=f"Example: payments {_name} {_example}")
app.add_typer(
    months.app,
    name="months",
    rich_help_panel=_CHANGE,
    help="Show, schedule and close a company's months.",
    epilog="Example: payments months list --company acme",
)
app.add_typer(
    users.app,
    name="users",
    rich_help_panel=_CHANGE,
    help="Manage the users of the console.",
    epilog="Example: payments users add ann --role billing",
)
app.command(rich_help_panel=_CHANGE, epilog="Example: payments distribute --dry-run")(accounts.distribute)
app.add_typer(requeue.app, rich_help_panel=_CHANGE)
app.command(
    rich_help_panel=_CHANGE,
    epilog="Example: payments replay --since 2026-10-05T14:00 --dry-run\n\n"
    "Example: payments replay --since 2026-10-05T14:00 --until 2026-10-05T15:30 --yes",
)(replay.replay)
emr.app.command("outbox", epilog="Example: payments emr outbox postgresql://emr@emr-db/emr")(outbox.outbox)
app.add_typer(
    emr.app,
    name="emr",
    rich_help_panel=_EMR,
    help="Publish events as an EMR does, and inspect an EMR's outbox.",
    epilog="Example: payments emr simulate --clinics 5 --days 14 --seed 7",
)


def main() -> None:
    """Run the command line and exit with its status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit status: 1 if it failed, 2 for a usage error."""
    use_utf8()
    options = _GlobalOptions()
    try:
        if "--help" in arguments:
            list_choices(_find_command(arguments))
        status = command()(list(arguments), prog_name="payments", standalone_mode=False, obj=options)
        sys.stdout.flush()
    except typer.TyperException as error:
        if message := describe_usage_error(error):
            print_error(message + _help_hint(error))
        return error.exit_code
    except BrokenPipeError:
        _discard_stdout()
        return 1
    except Exception as error:
        if options.traceback:
            raise
        print_error(_describe(error))
        return getattr(error, "exit_status", 1)
    return status if isinstance(status, int) else 0


@cache
def command() -> Callable[..., object]:
    """Return the command with all subcommands. Typer builds it only once per process."""
    built = typer.main.get_command(app)
    refuse_repeated_options(built)
    adapt_help(built)
    return built


def _find_command(arguments: Sequence[str]) -> object:
    """Return the subcommand that the first arguments name."""
    found: object = command()
    for word in arguments:
        found = getattr(found, "commands", {}).get(word, found)
    return found


def _help_hint(error: typer.TyperException) -> str:
    context: typer.Context | None = getattr(error, "ctx", None)
    return f" (see {context.command_path} --help)" if context else ""


def _describe(error: Exception) -> str:
    from console.errors import describe_error, engine_setting

    if description := describe_error(error):
        setting = engine_setting(error)
        is_set = setting and (os.environ.get(setting) or os.environ.get(f"{setting}_FILE"))
        return f"{setting}: {description}" if is_set else description
    return f"unexpected {type(error).__name__}: {error} (run `payments --traceback ...` to see where)"


def _discard_stdout() -> None:
    # The reader closed the pipe. Without this, the interpreter reports an error when it exits.
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
