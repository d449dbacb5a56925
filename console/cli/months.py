"""`payments months`: list, schedule, close and verify a company's months."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.arguments import FormatOption, RawOption
from console.cli.confirmation import DryRunOption, YesOption, confirm, must_ask
from console.cli.parameters import report_command
from console.cli.printing import Output, show
from console.cli.session import current_actor, open_database, open_transaction, warn_without_timezone
from console.cli.terminal import print_line
from console.errors import CommandError
from console.plurals import plural
from console.reports.months import (
    CLOSE_WARNINGS,
    MONTH_SUMS,
    MONTHS,
    MonthsParameters,
    month_records,
    month_sum_records,
    warning_records,
)
from console.reports.output import OutputFormat

if TYPE_CHECKING:
    from console.actor import Actor
    from console.recorded_actions import CompanyMonth
    from payments.core.month import Month
    from payments.journeys.closing import CloseWarning, Snapshot, Verification
    from payments.store.db.connection import Database

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

_WARNINGS_LISTED_MAX = 20

CompanyArgument = Annotated[str, typer.Argument(metavar="COMPANY", help="The company's id.")]
MonthArgument = Annotated[str, typer.Argument(metavar="YYYY-MM", help="The month.")]


@app.command("list", epilog="Example: payments months list --company acme")
@report_command(MonthsParameters)
def list_months(parameters: MonthsParameters, output: Output) -> None:
    """List the months of a company with their state and payments total, by deposit date."""
    from payments.journeys import closing

    with open_transaction() as tx:
        rows = closing.list_months(tx, parameters.company)
    show(month_records(rows), MONTHS, output)


@app.command("show", epilog="Example: payments months show acme 2026-10 --format csv")
def show_month(
    company: CompanyArgument,
    month: MonthArgument,
    *,
    output_format: FormatOption = OutputFormat.TABLE,
    raw: RawOption = False,
) -> None:
    """Show the totals of a month. A closed month shows its stored totals, an open month its current totals."""
    from payments.journeys import closing

    output = Output(output_format, is_raw=raw)
    output.check()
    chosen = _parse_month(month)
    with open_transaction() as tx:
        sums = closing.month_totals(tx, company, chosen).sums
    show(month_sum_records(sums), MONTH_SUMS, output)


@app.command(epilog="Example: payments months schedule acme 2026-10")
def schedule(company: CompanyArgument, month: MonthArgument, *, dry_run: DryRunOption = False) -> None:
    """Schedule a month to be closed in the coming night, and list the payments to resolve before then."""
    from console import recorded_actions
    from console.recorded_actions import CompanyMonth
    from payments.journeys import closing

    chosen, now = _parse_month(month), datetime.now(UTC)
    with open_transaction() as tx:
        warn_without_timezone(tx, [company])
        if dry_run:
            _print_preview(*closing.preview_close(tx, company, chosen, now))
            return
        warnings = recorded_actions.schedule_close(tx, current_actor(), CompanyMonth(company, chosen))
    print_line(f"{company} {chosen} closes tonight. Until then, `payments months cancel` cancels it.")
    _print_warnings(warnings)


@app.command(epilog="Example: payments months cancel acme 2026-10")
def cancel(company: CompanyArgument, month: MonthArgument) -> None:
    """Cancel the closing of a scheduled month."""
    from console import recorded_actions
    from console.recorded_actions import CompanyMonth

    chosen = _parse_month(month)
    with open_transaction() as tx:
        recorded_actions.cancel_close(tx, current_actor(), CompanyMonth(company, chosen))
    print_line(f"Closing of {company} {chosen} cancelled. The month is open.")


@app.command(
    epilog="Example: payments months close acme 2026-10 --dry-run\n\nExample: payments months close acme 2026-10"
)
def close(
    company: CompanyArgument, month: MonthArgument, *, yes: YesOption = False, dry_run: DryRunOption = False
) -> None:
    """Close a month now. A closed month cannot be opened again; later changes become exceptions.

    On a terminal the command asks for confirmation, with the month's total and the number of payments to resolve.
    """
    from console.recorded_actions import CompanyMonth
    from payments.journeys import closing
    from payments.store.db.connection import transaction

    chosen, now, confirmed = _parse_month(month), datetime.now(UTC), None
    with open_database() as opened:
        with transaction(opened) as tx:
            warn_without_timezone(tx, [company])
        if dry_run or must_ask(yes=yes):
            with transaction(opened) as tx:
                expected, warnings = closing.preview_close(tx, company, chosen, now)
            if dry_run:
                _print_preview(expected, warnings)
                return
            confirmed = expected.payments_total
            confirm(_close_question(f"{company} {chosen}", expected, warnings))
        closed = _close(opened, current_actor(), CompanyMonth(company, chosen)).payments_total
    since = "" if confirmed in {None, closed} else f" It was {confirmed:,} when you confirmed."
    print_line(f"{company} {chosen} closed. Payments total: {closed:,}.{since}")


@app.command(epilog="Example: payments months verify acme 2026-10")
def verify(company: CompanyArgument, month: MonthArgument) -> None:
    """Compare a closed month's ledger totals with the totals stored at its close. Exits with 1 if they differ."""
    from payments.journeys import closing

    chosen = _parse_month(month)
    with open_transaction() as tx:
        verified = closing.verify(tx, company, chosen)
    if not verified.matches:
        raise CommandError(f"{company} {chosen} no longer matches its close: {_differences(verified)}")
    print_line(f"{company} {chosen} matches its closing. Payments total: {verified.snapshot.payments_total:,}.")


def _differences(verified: Verification) -> str:
    """Return a text that says how a month's totals differ from those stored at its close.

    The payments total can be unchanged although amounts by method, charge type, clinic or user differ.
    """
    now, then = verified.snapshot.payments_total, verified.stored_total
    if now != then:
        return f"the payments total is {now:,} now and was {then:,} then; call the operator"
    return "the total is unchanged, but amounts by method, charge type, clinic or user differ; call the operator"


def _close(opened: Database, actor: Actor, month: CompanyMonth) -> Snapshot:
    from console import recorded_actions
    from payments.journeys import closing
    from payments.store.db.connection import transaction

    with transaction(opened) as tx:
        closing.begin_close(tx, month.company_id, month.month, actor.now, actor.name)
    # Imports that held the month have committed, so no entry of the month is later than its close.
    with transaction(opened) as tx:
        return recorded_actions.finish_close(tx, actor, month, datetime.now(UTC))


def _parse_month(text: str) -> Month:
    from payments.core.month import Month

    try:
        return Month.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="'YYYY-MM'") from None


def _close_question(name: str, expected: Snapshot, warnings: Sequence[CloseWarning]) -> str:
    open_items = f" Not resolved: {plural(len(warnings), 'payment')}." if warnings else ""
    total = f"Payments total: {expected.payments_total:,}."
    return f"{name} would be closed. {total}{open_items} A closed month cannot be reopened. Close it?"


def _print_preview(snapshot: Snapshot, warnings: Sequence[CloseWarning]) -> None:
    print_line(f"Payments total to be closed: {snapshot.payments_total:,}. Nothing was changed.")
    _print_warnings(warnings)


def _print_warnings(warnings: Sequence[CloseWarning]) -> None:
    show(warning_records(warnings), CLOSE_WARNINGS, Output(limit=_WARNINGS_LISTED_MAX))
