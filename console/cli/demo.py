"""`payments demo`: two simulated weeks of payments, from the EMR to the ledger, on a temporary stack."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

import os
import shutil
import sys
import time
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from console.cli.printing import Output, show
from console.cli.progress import progress_bar, spinner
from console.cli.session import CliContext, open_transaction
from console.cli.terminal import print_error, print_line, printable, stderr, stdout
from console.reports.claims_feed import CLAIMS_FEED_SUMS, feed_sum_records
from console.reports.payment_log import log_sum_records, payment_log_sums

if TYPE_CHECKING:
    from console.cli.backlog import Backlog
    from console.cli.temporary_stack import TemporaryStack

IDLE_SECONDS_MAX = 300


class _Import(NamedTuple):
    """The result of the demo's import: the number of events, and its duration in seconds."""

    events: int
    seconds: float


def demo() -> None:
    """Import two simulated weeks of five clinics into the ledger, and show the result.

    The demo starts PostgreSQL and Redis, ignores their URLs in the environment, and removes everything at the end.
    """
    import typer

    from console.cli.temporary_stack import StackError, temporary_stack

    started = time.monotonic()
    try:
        with temporary_stack() as stack:
            with spinner("Starting") as update:
                context = stack.wait_until_healthy(update)
            print_line(
                f"The stack is up after {time.monotonic() - started:.1f} s: PostgreSQL, Redis, Celery workers, Flower."
            )
            result = _import_two_weeks(stack, context)
            _show_result(context, result)
    except StackError as error:
        for line in error.log_tail:
            stderr().print(Text(printable(line), "dim"), soft_wrap=True)
        print_error(str(error))
        raise typer.Exit(1) from None
    _show_next_steps()


def _import_two_weeks(stack: TemporaryStack, context: CliContext) -> _Import:
    from console.cli.backlog import wait_until_idle
    from console.cli.emr import Simulation, publish_simulation

    started = time.monotonic()
    events = publish_simulation(context, Simulation(clinics=5, days=14, seed=7, first_day=date(2026, 9, 7)))
    with progress_bar("Importing", events) as update:

        def on_poll(backlog: Backlog) -> None:
            stack.check_running()
            if not backlog.problem:
                update(events - backlog.on_feed)

        backlog = wait_until_idle(context, IDLE_SECONDS_MAX, on_poll)
    if not backlog.is_idle:
        raise stack.stack_error(f"not finished after {IDLE_SECONDS_MAX} s: {backlog}")
    return _Import(events, time.monotonic() - started)


def _show_result(context: CliContext, result: _Import) -> None:
    from payments.contract.money import total
    from payments.journeys import reporting

    everything = reporting.PaymentLogFilter()
    with open_transaction(context.engines) as tx:
        feed = reporting.claims_feed_sums(tx, reporting.FeedFilter())
        kinds = reporting.payment_log_sums(tx, everything, reporting.GroupBy.CHARGE_TYPE)
        methods = reporting.payment_log_sums(tx, everything, reporting.GroupBy.METHOD)
    stdout().print()
    show(feed_sum_records(feed), CLAIMS_FEED_SUMS, Output())
    stdout().print()
    show(log_sum_records(kinds, "charge_type"), payment_log_sums("charge_type"), Output())
    stdout().print()
    show(log_sum_records(methods, "method"), payment_log_sums("method"), Output())
    stdout().print()
    print_line(f"Posted to the ledger: {total(each.total for each in kinds):,.2f}", "bold")
    payments = sum(each.count for each in feed)
    print_line(
        f"{payments:,} payments ({result.events:,} events) imported from save to ledger in {result.seconds:.1f} s: "
        f"{payments / result.seconds:,.0f} payments a second."
    )


def _show_next_steps() -> None:
    stdout().print()
    print_line("What to try next:", "bold")
    command = command_name()
    for arguments, purpose in (
        ("up", "a permanent stack with the console and Flower"),
        ("emr simulate --clinics 5 --days 14", "the last two weeks there, from a second terminal"),
        ("report claims-feed --status not-sent", "payments that were Not Sent, with the reason"),
    ):
        print_line(f"  {command} {arguments:39} {purpose}")


def command_name() -> str:
    """Return the command that starts `payments`: its name if it is on the PATH, otherwise its relative path."""
    command = Path(sys.executable).with_name("payments")
    if shutil.which("payments") or not command.exists():
        return "payments"
    return os.path.relpath(command)
