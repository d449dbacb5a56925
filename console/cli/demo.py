"""`payments demo`: a simulated fortnight from save to ledger, on a stack of its own that is gone afterwards."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers at once)

from __future__ import annotations

import time
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from console.cli.printing import show
from console.cli.progress import progress_bar, spinner
from console.cli.session import Installation, open_transaction
from console.cli.terminal import print_error, print_line, printable, stderr, stdout
from console.reports.claims_feed import CLAIMS_FEED_SUMS, feed_sum_records
from console.reports.output import OutputFormat
from console.reports.payment_log import log_sum_records, payment_log_sums

if TYPE_CHECKING:
    from console.cli.backlog import Backlog
    from console.cli.temporary_stack import TemporaryStack

IDLE_SECONDS_MAX = 300


class _Run(NamedTuple):
    """How many events were taken from the feed into the ledger, and how long that took."""

    events: int
    seconds: float


def demo() -> None:
    """Carry a simulated fortnight of five clinics into the ledger, and show what became of it.

    Everything runs on engines of its own, whatever the environment names, and is gone at the end.
    """
    import typer

    from console.cli.temporary_stack import StackError, temporary_stack

    started = time.monotonic()
    try:
        with temporary_stack() as stack:
            with spinner("Starting") as tell:
                at = stack.wait_until_healthy(tell)
            print_line(
                f"The stack is up after {time.monotonic() - started:.1f} s: PostgreSQL, Redis, Celery workers, Flower."
            )
            run = _import_fortnight(stack, at)
            _show_what_became_of_it(at, run)
    except StackError as error:
        for line in error.log_tail:
            stderr().print(Text(printable(line), "dim"), soft_wrap=True)
        print_error(str(error))
        raise typer.Exit(1) from None
    _show_what_to_try()


def _import_fortnight(stack: TemporaryStack, at: Installation) -> _Run:
    from console.cli.backlog import wait_until_idle
    from console.cli.emr import Simulation, play

    started = time.monotonic()
    events = play(at, Simulation(clinics=5, days=14, seed=7, first_day=date(2026, 9, 7)))
    with progress_bar("Importing", events) as tell:

        def look(seen: Backlog) -> None:
            stack.check_running()
            if not seen.problem:
                tell(events - seen.on_feed)

        seen = wait_until_idle(at, IDLE_SECONDS_MAX, look)
    if not seen.is_idle:
        raise stack.failed(f"not finished after {IDLE_SECONDS_MAX} s: {seen}")
    return _Run(events, time.monotonic() - started)


def _show_what_became_of_it(at: Installation, run: _Run) -> None:
    from payments.contract.money import total
    from payments.journeys import reporting

    everything = reporting.LogFilter()
    with open_transaction(at.engines) as tx:
        feed = reporting.claims_feed_sums(tx, reporting.FeedFilter())
        kinds = reporting.payment_log_sums(tx, everything, reporting.GroupBy.CHARGE_TYPE)
        methods = reporting.payment_log_sums(tx, everything, reporting.GroupBy.METHOD)
    stdout().print()
    show(feed_sum_records(feed), CLAIMS_FEED_SUMS, OutputFormat.TABLE)
    stdout().print()
    show(log_sum_records(kinds, "charge_type"), payment_log_sums("charge_type"), OutputFormat.TABLE)
    stdout().print()
    show(log_sum_records(methods, "method"), payment_log_sums("method"), OutputFormat.TABLE)
    stdout().print()
    print_line(f"Posted to the ledger: {total(each.total for each in kinds):,.2f}", "bold")
    payments = sum(each.count for each in feed)
    print_line(
        f"{payments:,} payments ({run.events:,} events) came from the EMR's save to the ledger in {run.seconds:.1f} s: "
        f"{payments / run.seconds:,.0f} payments a second."
    )


def _show_what_to_try() -> None:
    stdout().print()
    print_line("What to try next:", "bold")
    print_line("  payments up                                         a stack that stays; Flower shows its tasks")
    print_line("  payments emr simulate --clinics 5 --days 14         the same fortnight there, from a second terminal")
    print_line("  payments report claims-feed --status not-sent       what stayed out, and why")
