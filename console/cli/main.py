"""The `payments` command: its parts put together, and the one place where an error turns into a line and a status."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers at once)

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
    emr,
    exceptions,
    months,
    payment_log,
    reports,
    requeue,
    settings,
    stack,
    users,
)
from console.cli.terminal import print_error, print_line, use_utf8

_RUN, _LOOK, _CHANGE, _EMR = "Run it", "See what became of a payment", "Change something", "The EMR's side"

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", pretty_exceptions_enable=False)


@dataclass
class _GlobalOptions:
    """What was asked of the command as a whole."""

    traceback: bool = False


def _tell_version(asked: bool) -> None:  # noqa: FBT001 (typer calls it so)
    if asked:
        from importlib.metadata import version

        print_line(f"payments {version('payments')}")
        raise typer.Exit


@app.callback(epilog="Example: payments demo\n\nEach command has its own: payments report claims-feed --help")
def _payments(
    context: typer.Context,
    *,
    traceback: Annotated[bool, typer.Option("--traceback", help="Show where an unexpected error came from.")] = False,
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Tell the version, and end.")
    ] = False,
) -> None:
    """Carry every patient payment saved in the EMR into the billing ledger, and show what became of it."""
    context.obj.traceback = traceback


app.command(rich_help_panel=_RUN, epilog="Example: payments demo")(demo.demo)
app.command(rich_help_panel=_RUN, epilog="Example: PAYMENTS_HOME=~/payments payments up")(stack.up)
app.command(rich_help_panel=_RUN, epilog="Example: payments health && echo all is well")(stack.health)
app.command(rich_help_panel=_RUN, epilog="Example: payments wait --timeout 60")(stack.wait)
app.add_typer(
    reports.app,
    name="report",
    rich_help_panel=_LOOK,
    help="Print a report of the ledger.",
    epilog="Example: payments report claims-feed --summary",
)
reports.app.add_typer(balancing.app)
reports.app.add_typer(payment_log.app)
reports.app.command("account", epilog="Example: payments report account P-1042")(accounts.account)
reports.app.command("exceptions", epilog="Example: payments report exceptions --status all")(exceptions.report)
app.command(rich_help_panel=_LOOK, epilog="Example: payments timeline north/p-1001/1")(reports.timeline)
app.add_typer(
    settings.app,
    name="settings",
    rich_help_panel=_CHANGE,
    help="Set or show which payments of a clinic flow.",
    epilog="Example: payments settings show",
)
app.add_typer(
    company.app,
    name="company",
    rich_help_panel=_CHANGE,
    help="Set what a company decides for all of its clinics.",
    epilog="Example: payments company set acme --timezone America/Denver",
)
app.add_typer(
    exceptions.app,
    name="exceptions",
    rich_help_panel=_CHANGE,
    help="Accept or acknowledge what needs a biller.",
    epilog="Example: payments exceptions accept --all --company acme",
)
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
    help="Say who may log in to the console.",
    epilog="Example: payments users add ann --role billing",
)
app.command(rich_help_panel=_CHANGE, epilog="Example: payments distribute --dry-run")(accounts.distribute)
app.command(
    rich_help_panel=_CHANGE,
    epilog="Example: payments requeue north/p-1001/1 north/p-1002/1\n\n"
    "Example: payments requeue --status not-sent --reason type_not_selected --clinic north",
)(requeue.requeue)
app.add_typer(
    emr.app,
    name="emr",
    rich_help_panel=_EMR,
    help="Publish events as an EMR does, to try things out.",
    epilog="Example: payments emr simulate --clinics 5 --days 14 --seed 7",
)


def main() -> None:
    """Run the command that was typed, and end with its status."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: Sequence[str]) -> int:
    """Run a command and return its exit status: 1 where it failed, 2 where it was not understood."""
    use_utf8()
    options = _GlobalOptions()
    try:
        status = command()(list(arguments), prog_name="payments", standalone_mode=False, obj=options)
        sys.stdout.flush()
    except typer.TyperException as error:
        # Without a message the help was asked for by saying nothing, and has been shown.
        if message := error.format_message():
            print_error(message.replace("Value error, ", "").rstrip(".") + _where_it_is_explained(error))
        return error.exit_code
    except BrokenPipeError:
        _forget_output()
        return 1
    except Exception as error:
        if options.traceback:
            raise
        print_error(_told(error))
        return getattr(error, "exit_status", 1)
    return status if isinstance(status, int) else 0


@cache
def command() -> Callable[..., object]:
    """Return the command with all its parts, which are read off their functions once in a process."""
    return typer.main.get_command(app)


def _where_it_is_explained(error: typer.TyperException) -> str:
    context: typer.Context | None = getattr(error, "ctx", None)
    return f" (see {context.command_path} --help)" if context else ""


def _told(error: Exception) -> str:
    from console.errors import sentence

    return sentence(error) or f"unexpected {type(error).__name__}: {error} (--traceback before the command shows where)"


def _forget_output() -> None:
    # Whoever read our output has gone; without this the interpreter complains about it at its end.
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
