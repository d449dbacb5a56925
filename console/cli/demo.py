"""`payments demo`: a simulated fortnight from save to ledger, on a stack of its own that is gone afterwards."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers at once)

from __future__ import annotations

import time
from datetime import date
from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

from console.cli.printing import show
from console.cli.progress import busy, filling
from console.cli.session import Installation, ledger
from console.cli.terminal import answers, complain, notices, printable, say
from console.reports import layouts
from console.reports.output import Form

if TYPE_CHECKING:
    from console.cli.temporary_stack import OwnStack
    from console.cli.waiting import Unfinished

QUIET_SECONDS_MAX = 300


class _Run(NamedTuple):
    """How many events were taken from the feed into the ledger, and how long that took."""

    events: int
    seconds: float


def demo() -> None:
    """Carry a simulated fortnight of five clinics into the ledger, and show what became of it.

    Everything runs on engines of its own, whatever the environment names, and is gone at the end.
    """
    import typer

    from console.cli.temporary_stack import StackFailedError, stack_of_its_own

    started = time.monotonic()
    try:
        with stack_of_its_own() as stack:
            with busy("Starting") as tell:
                at = stack.wait_until_healthy(tell)
            say(f"The stack is up after {time.monotonic() - started:.1f} s: PostgreSQL, Redis, Celery workers, Flower.")
            run = _import_fortnight(stack, at)
            _show_what_became_of_it(at, run)
    except StackFailedError as error:
        for line in error.log_tail:
            notices().print(Text(printable(line), "dim"), soft_wrap=True)
        complain(str(error))
        raise typer.Exit(1) from None
    _show_what_to_try()


def _import_fortnight(stack: OwnStack, at: Installation) -> _Run:
    from console.cli.publishing import Simulation, play
    from console.cli.waiting import until_quiet

    started = time.monotonic()
    events = play(at, Simulation(clinics=5, days=14, seed=7, first_day=date(2026, 9, 7)))
    with filling("Importing", events) as tell:

        def look(seen: Unfinished) -> None:
            stack.check_running()
            if not seen.problem:
                tell(events - seen.on_feed)

        seen = until_quiet(at, QUIET_SECONDS_MAX, look)
    if not seen.is_quiet:
        raise stack.failed(f"not finished after {QUIET_SECONDS_MAX} s: {seen}")
    return _Run(events, time.monotonic() - started)


def _show_what_became_of_it(at: Installation, run: _Run) -> None:
    from console.cli.payment_log import log_sums
    from console.cli.reports import feed_sums
    from payments.contract.money import total
    from payments.journeys import reporting

    everything = reporting.LogQuery()
    with ledger(at.engines) as tx:
        feed = reporting.feed_by_status(tx, reporting.FeedQuery())
        kinds = reporting.payment_log_by(tx, everything, reporting.GroupBy.CHARGE_TYPE)
        methods = reporting.payment_log_by(tx, everything, reporting.GroupBy.METHOD)
    answers().print()
    show(feed_sums(feed), layouts.FEED_SUMS, Form.TABLE)
    answers().print()
    show(log_sums(kinds, "charge_type"), layouts.log_sums("charge_type"), Form.TABLE)
    answers().print()
    show(log_sums(methods, "method"), layouts.log_sums("method"), Form.TABLE)
    answers().print()
    say(f"Posted to the ledger: {total(each.total for each in kinds):,.2f}", "bold")
    payments = sum(each.count for each in feed)
    say(
        f"{payments:,} payments ({run.events:,} events) came from the EMR's save to the ledger in {run.seconds:.1f} s: "
        f"{payments / run.seconds:,.0f} payments a second."
    )


def _show_what_to_try() -> None:
    answers().print()
    say("What to try next:", "bold")
    say("  payments up                                         a stack that stays; Flower shows its tasks")
    say("  payments emr simulate --clinics 5 --days 14         the same fortnight there, from a second terminal")
    say("  payments report claims-feed --status not-sent       what stayed out, and why")
