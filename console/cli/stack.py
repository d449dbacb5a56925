"""`payments up`, `wait` and `health`: the stack in the foreground, and what can be said of one that runs."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers at once)

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from console.cli.arguments import FormOption, seconds
from console.cli.printing import show
from console.cli.progress import spinner
from console.cli.session import current_installation
from console.cli.terminal import print_line
from console.errors import CommandError
from console.reports.health import HEALTH
from console.reports.output import OutputFormat

STACK = (sys.executable, "-m", "devstack.stack")
"""The supervisor as a process of its own; see `stack_environment`."""


def stack_environment() -> dict[str, str]:
    """Return the variables for the stack: ours, and that no module is taken from the folder it is started in."""
    return os.environ | {"PYTHONSAFEPATH": "1"}


def up() -> None:
    """Run the whole stack in the foreground; Ctrl-C stops it.

    Engines that no URL names are started too, with their data in PAYMENTS_HOME.
    """
    sys.stdout.flush()
    os.execve(sys.executable, STACK, stack_environment())  # noqa: S606 (this very program, by its full path)


def wait(
    timeout: Annotated[float, typer.Option(parser=seconds, metavar="SECONDS", help="How long to wait at most.")] = 120,
) -> None:
    """Wait until nothing is queued or due and the exceptions are up to date; exit with 1 at the time-out.

    A held payment whose next try lies ahead is not waited for.
    """
    from console.cli.backlog import wait_until_idle

    at = current_installation()
    with spinner("Waiting") as tell:
        seen = wait_until_idle(at, timeout, lambda seen: tell(f"Waiting: {seen}"))
    if not seen.is_idle:
        raise CommandError(f"not finished after {timeout:g} s: {seen}")
    held = f"; {seen.held:,} payments are held for a later try" if seen.held else ""
    print_line(f"Nothing is queued or due{held}.")


def health(
    timeout: Annotated[
        int,
        typer.Option(min=1, max=3600, metavar="SECONDS", help="How long the workers may take to give a sign of life."),
    ] = 5,
    form: FormOption = OutputFormat.TABLE,
) -> None:
    """Look at every part of a running stack; exit with 0 if all of them work, else with 1."""
    from tasks.health_check import check

    settings, engines = current_installation()
    with spinner("Asking every part"):
        parts = check(engines, settings, timeout)
    show([part._asdict() for part in parts], HEALTH, form)
    if not all(part.is_up for part in parts):
        raise typer.Exit(1)
