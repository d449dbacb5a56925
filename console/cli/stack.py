"""`payments up`, `wait` and `health`: run the stack, wait until it is idle, and check its health."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.arguments import FormatOption, RawOption, parse_seconds
from console.cli.printing import Output, show
from console.cli.progress import spinner
from console.cli.session import CliContext, current_context, open_transaction, warn_without_timezone
from console.cli.terminal import print_error, print_line
from console.errors import CommandError
from console.plurals import plural
from console.reports.health import HEALTH
from console.reports.output import OutputFormat

if TYPE_CHECKING:
    from console.installation_health import Installation

STACK = (sys.executable, "-m", "devstack.stack")
"""The command that starts the supervisor process. Its environment is `stack_environment`."""


def stack_environment() -> dict[str, str]:
    """Return the environment for the stack. Its PYTHONSAFEPATH removes the current folder from Python's import path."""
    return os.environ | {"PYTHONSAFEPATH": "1"}


def up() -> None:
    """Run the whole stack in the foreground; Ctrl-C stops it.

    If the URL of PostgreSQL or Redis is not set, the stack also starts that server, with its data in PAYMENTS_HOME.
    """
    sys.stdout.flush()
    os.execve(sys.executable, STACK, stack_environment())  # noqa: S606 (the interpreter's full path)


def wait(
    timeout: Annotated[
        float, typer.Option(parser=parse_seconds, metavar="SECONDS", help="Maximum time to wait.")
    ] = 120,
) -> None:
    """Wait until no work is queued or due and all exceptions are up to date. Exits with 1 at the timeout.

    Payments that are held for a later attempt do not count as work.
    """
    from console.cli.backlog import wait_until_idle

    context = current_context()
    with spinner("Waiting") as update:
        backlog = wait_until_idle(context, timeout, lambda backlog: update(f"Waiting: {backlog}"))
    if not backlog.is_idle:
        raise CommandError(f"work remains after {timeout:g} s: {backlog}; `payments health` shows what stops it")
    held = f"; {plural(backlog.held, 'payment')} held for a later attempt" if backlog.held else ""
    print_line(f"Nothing is queued or due{held}.")


def health(
    timeout: Annotated[
        int,
        typer.Option(min=1, max=3600, metavar="SECONDS", help="Maximum time to wait for replies."),
    ] = 5,
    *,
    output_format: FormatOption = OutputFormat.TABLE,
    raw: RawOption = False,
) -> None:
    """Check every component of a running stack. Exits with 0 if all components work, otherwise with 1.

    Last night's jobs, failed tasks, postponed work and refused events are components too. A component that works but
    needs attention has the state `check`. The page Health of the console shows the same, with details.
    """
    from tasks.engine_check import durability_warnings

    output = Output(output_format, is_raw=raw)
    output.check()
    context = current_context()
    with spinner("Checking"):
        found = _read_installation(context, timeout)
        warnings = durability_warnings(context.engines)
    for warning in warnings:
        print_error(f"warning: {warning}")
    show(found.sections["components"], HEALTH, output)
    if all(part["is_up"] for part in found.sections["components"] if part["name"] == "PostgreSQL"):
        with open_transaction(context.engines) as tx:
            warn_without_timezone(tx)
    if not found.is_healthy:
        raise typer.Exit(1)


def _read_installation(context: CliContext, ping_seconds: int) -> Installation:
    from console.installation_health import HealthRequest, read_installation
    from payments.core.scope import EVERYTHING
    from payments.journeys import operations

    def read_operations() -> operations.Operations:
        with open_transaction(context.engines) as tx:
            return operations.read_operations(tx, datetime.now(UTC), EVERYTHING)

    request = HealthRequest(context.engines, context.settings, EVERYTHING, ping_seconds)
    return read_installation(request, read_operations)
