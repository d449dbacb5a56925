"""`payments requeue`: re-evaluate payments that are not in Billing, with the current settings."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.arguments import FormatOption, RawOption, parse_choice, parse_reason, parse_status
from console.cli.confirmation import DryRunOption, YesOption, confirm, must_ask
from console.cli.printing import Output, show
from console.cli.session import CliContext, current_actor, current_context, open_database, open_transaction
from console.cli.tables import print_table
from console.cli.terminal import print_line, print_note
from console.errors import CommandError
from console.plurals import plural
from console.reports.output import OutputFormat
from console.reports.requeue import (
    REQUEUE_OUTCOME,
    REQUEUE_PREVIEW,
    REQUEUE_RUNS,
    outcome_records,
    preview_records,
    run_records,
)
from payments.core.scope import EVERYTHING, Scope

if TYPE_CHECKING:
    from payments.core.outcome import Status
    from payments.journeys.requeueing import FeedFilter, RequeuePreview, RequeueSummary
    from payments.store.db.connection import Database

app = typer.Typer(rich_markup_mode="rich")

_CHUNK_ROWS = 500
_RUNS_LISTED = 50


@app.command(
    rich_help_panel="Change",
    epilog="Example: payments requeue north/p-1001/1 north/p-1002/1\n\n"
    "Example: payments requeue --status not-sent --reason type_not_selected --clinic north",
)
def requeue(  # noqa: PLR0913 (each parameter is an option)
    keys: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY", help="Payment keys, clinic/payment/line, as the Claims Feed prints them."),
    ] = None,
    status: Annotated[
        str | None,
        typer.Option(help="All payments with this status: `not-sent`, `transmission-pending` or `validation-failed`."),
    ] = None,
    reason: Annotated[str | None, typer.Option(help="With --status: only payments with this reason.")] = None,
    clinic: Annotated[str | None, typer.Option(help="With --status: only payments of this clinic.")] = None,
    company: Annotated[str | None, typer.Option(help="Only payments of this company.")] = None,
    *,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Requeue payments by their keys, or all payments with a status. The current settings apply to them.

    Payments that are already in Billing are skipped. If a key is unknown, the others are still requeued and the exit
    status is 1. With --status, the command asks on a terminal for confirmation, with the number and the sum of the
    payments. If more payments match after the answer, the command requeues none.
    """
    from payments.journeys import choosing
    from payments.journeys.requeueing import FeedFilter

    keys = list(dict.fromkeys(keys or ()))
    if not keys and not status:
        raise CommandError("name payments by their keys, or choose them by --status", exit_status=2)
    if keys and (status or reason or clinic):
        raise CommandError("name payments by their keys or choose them by --status, not both", exit_status=2)
    if not status:
        _requeue_keys(current_context(), keys, EVERYTHING.narrowed_to_company(company), dry_run=dry_run)
        return
    chosen = FeedFilter(status=_parse_requeueable_status(status), reason=parse_reason(reason) if reason else None)
    context = current_context()
    with open_transaction(context.engines) as tx:
        scope = choosing.choose_scope(tx, EVERYTHING, choosing.ScopeChoice(company, clinic))
    _requeue_matching(context, replace(chosen, scope=scope), has_to_ask=must_ask(yes=yes), dry_run=dry_run)


def _parse_requeueable_status(text: str) -> Status:
    from payments.journeys.requeueing import REQUEUEABLE_STATUSES

    try:
        status = parse_status(text)
    except typer.BadParameter:
        return parse_choice(sorted(REQUEUEABLE_STATUSES), text, "status", "--status")
    if status not in REQUEUEABLE_STATUSES:
        problem = f"{status} payments are in Billing; choose from: {', '.join(sorted(REQUEUEABLE_STATUSES))}"
        raise typer.BadParameter(problem, param_hint="'--status'")
    return status


def _requeue_keys(context: CliContext, keys: Sequence[str], scope: Scope, *, dry_run: bool) -> None:
    from console import recorded_actions
    from payments.journeys import reporting

    with open_transaction(context.engines) as tx:
        done = recorded_actions.requeue(tx, current_actor(), keys, scope)
        unknown = [key for key in done.skipped if not reporting.timeline(tx, key, scope)]
        if dry_run:
            tx.rollback()
    _print_result(done, [key for key in done.skipped if key not in unknown], dry_run=dry_run, has_some=keys != unknown)
    if not dry_run:
        _send_request(context, done.count)
    if unknown:
        raise CommandError(f"there is no payment {', '.join(unknown)}; the Claims Feed prints the keys")


def _print_result(done: RequeueSummary, skipped: Sequence[str], *, dry_run: bool, has_some: bool) -> None:
    for key in skipped:
        print_line(f"{key}: skipped (already imported)")
    if dry_run:
        print_line(f"{plural(done.count, 'payment')} would be requeued. Nothing was changed.")
    elif has_some:
        print_line(f"{plural(done.count, 'payment')} requeued")


def _requeue_matching(context: CliContext, chosen: FeedFilter, *, has_to_ask: bool, dry_run: bool) -> None:
    """Requeue the matching payments in chunks.

    Raises MoreThanConfirmedError if more payments match than were confirmed.
    """
    from payments.journeys import requeueing
    from payments.store.db.connection import transaction

    confirmed = None
    with open_database(context.engines) as opened:
        if dry_run or has_to_ask:
            with transaction(opened) as tx:
                expected = requeueing.preview_requeue(tx, chosen, datetime.now(UTC))
            print_table(preview_records(expected), REQUEUE_PREVIEW)
            if dry_run:
                print_line(f"{_preview_sentence(expected)} Nothing was changed.")
                return
            if expected.total_count:
                confirm(f"{_preview_sentence(expected)} Requeue?")
            confirmed = expected.total_count
        count = _continue_here(opened, chosen, confirmed)
    gone = (confirmed or 0) - count
    since = f"; {gone:,} of the {confirmed:,} that you confirmed no longer match" if gone > 0 else ""
    print_line(f"{plural(count, 'payment')} requeued{since}")
    _send_request(context, count)


def _preview_sentence(expected: RequeuePreview) -> str:
    return f"{plural(expected.total_count, 'payment')} with a sum of {expected.total:,} would be requeued."


def _continue_here(opened: Database, chosen: FeedFilter, confirmed: int | None) -> int:
    """Start a run and continue it in this process. Return the number of requeued payments.

    Because this process continues the run, the command works even without the back office. A running back office works
    on the same run: each chunk locks the row of the run. If this process ends early, the back office continues alone.
    """
    from console import recorded_actions
    from payments.core.scope import EVERYTHING
    from payments.journeys import requeue_runs
    from payments.store.db.connection import transaction

    with transaction(opened) as tx:
        started = recorded_actions.start_requeue_run(tx, current_actor(), chosen, confirmed)
        if not started.matching:
            tx.rollback()
            return 0
    has_more = True
    while has_more:
        with transaction(opened) as tx:
            has_more = requeue_runs.requeue_next_chunk(tx, started.run_id, datetime.now(UTC), _CHUNK_ROWS)
            run = requeue_runs.show_run(tx, started.run_id, EVERYTHING)
    return run.done if run else 0


def _send_request(context: CliContext, count: int) -> None:
    from tasks import enqueue

    if count and not enqueue.enqueue_retry_due(context.engines):
        print_line("Redis does not answer. The payments are requeued and will be processed when it is back.")


@app.command(
    "requeue-runs",
    rich_help_panel="Look up payments",
    epilog="Example: payments requeue-runs\n\nExample: payments requeue-runs 17 --format json",
)
def requeue_runs_report(
    run: Annotated[
        int | None, typer.Argument(min=1, metavar="RUN", help="The number of a run: show its result by reason.")
    ] = None,
    *,
    stop: Annotated[bool, typer.Option("--stop", help="With RUN: cancel the run after its current chunk.")] = False,
    output_format: FormatOption = OutputFormat.TABLE,
    raw: RawOption = False,
) -> None:
    """List the latest requeue runs, or show the results of one run by reason."""
    from console import recorded_actions
    from payments.journeys import requeue_runs

    if stop and run is None:
        raise CommandError("name the run that --stop cancels", exit_status=2)
    output = Output(output_format, is_raw=raw)
    output.check()
    with open_transaction(current_context().engines) as tx:
        if run is None:
            found = requeue_runs.list_runs(tx, EVERYTHING, None, _RUNS_LISTED)
            show(run_records(found.runs), REQUEUE_RUNS, output)
            return
        chosen = requeue_runs.show_run(tx, run, EVERYTHING)
        if chosen and stop:
            recorded_actions.stop_requeue_run(tx, current_actor(), run, chosen.company_id)
            chosen = requeue_runs.show_run(tx, run, EVERYTHING)
        if chosen is None:
            raise CommandError(f"there is no requeue run {run}; payments requeue-runs lists them")
        show(outcome_records(requeue_runs.read_outcome(tx, chosen)), REQUEUE_OUTCOME, output)
    print_note(f"Run {run} is {chosen.state}: {chosen.done:,} of {plural(chosen.total, 'payment')} requeued")
