"""`payments months`: a company's months, and their way to being closed."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers at once)

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.arguments import FormOption
from console.cli.parameters import report_command
from console.cli.printing import show
from console.cli.session import current_user, open_database, open_transaction
from console.cli.terminal import print_line
from console.errors import CommandError
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
    from payments.core.month import Month
    from payments.journeys.closing import CloseWarning, Snapshot

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

_LISTED = 20

CompanyArgument = Annotated[str, typer.Argument(metavar="COMPANY", help="The company's id.")]
MonthArgument = Annotated[str, typer.Argument(metavar="YYYY-MM", help="The month.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what it would do, and change nothing.")]


@app.command("list", epilog="Example: payments months list --company acme")
@report_command(MonthsParameters)
def list_months(parameters: MonthsParameters, form: FormOption = OutputFormat.TABLE) -> None:
    """Show the months of a company: their state, and the sum of the payments with a deposit date in them."""
    from payments.journeys import closing

    with open_transaction() as tx:
        rows = closing.list_months(tx, parameters.company)
    show(month_records(rows), MONTHS, form)


@app.command("show", epilog="Example: payments months show acme 2026-10 --format csv")
def show_month(company: CompanyArgument, month: MonthArgument, form: FormOption = OutputFormat.TABLE) -> None:
    """Show what a month adds up to: what was kept at its close or, while it is not closed, what it would keep now."""
    from payments.journeys import closing

    chosen = _month(month)
    with open_transaction() as tx:
        sums = closing.month_totals(tx, company, chosen).sums
    show(month_sum_records(sums), MONTH_SUMS, form)


@app.command(epilog="Example: payments months schedule acme 2026-10")
def schedule(company: CompanyArgument, month: MonthArgument, *, dry_run: DryRunOption = False) -> None:
    """Have a month closed the coming night, and show what is better settled before."""
    from payments.journeys import closing

    chosen, now = _month(month), datetime.now(UTC)
    with open_transaction() as tx:
        if dry_run:
            _show_preview(*closing.preview_close(tx, company, chosen, now))
            return
        unready = closing.schedule(tx, company, chosen, now, current_user())
    print_line(f"{company} {chosen} closes tonight. Until then, `payments months cancel` cancels it.")
    _show_unready(unready)


@app.command(epilog="Example: payments months cancel acme 2026-10")
def cancel(company: CompanyArgument, month: MonthArgument) -> None:
    """Take a scheduled month back."""
    from payments.journeys import closing

    chosen = _month(month)
    with open_transaction() as tx:
        closing.cancel(tx, company, chosen, datetime.now(UTC), current_user())
    print_line(f"{company} {chosen} is open again.")


@app.command(
    epilog="Example: payments months close acme 2026-10 --dry-run\n\nExample: payments months close acme 2026-10"
)
def close(company: CompanyArgument, month: MonthArgument, *, dry_run: DryRunOption = False) -> None:
    """Close a month now. It cannot be opened again; later changes become exceptions and adjustments."""
    from payments.journeys import closing
    from tasks.closing import close as close_month

    chosen, now = _month(month), datetime.now(UTC)
    if dry_run:
        with open_transaction() as tx:
            _show_preview(*closing.preview_close(tx, company, chosen, now))
        return
    with open_database() as opened:
        kept = close_month(opened, company, chosen, now, current_user())
    print_line(f"{company} {chosen} is closed with payments of {kept.payments_total:,}.")


@app.command(epilog="Example: payments months verify acme 2026-10")
def verify(company: CompanyArgument, month: MonthArgument) -> None:
    """Sum a closed month again and compare it with what was kept at its close; exit with 1 if they differ."""
    from payments.journeys import closing

    chosen = _month(month)
    with open_transaction() as tx:
        verified = closing.verify(tx, company, chosen)
    if not verified.matches:
        sums = f"{verified.snapshot.payments_total:,} now, {verified.stored_total:,} then"
        raise CommandError(f"{company} {chosen} no longer adds up to what was kept at its close: {sums}")
    print_line(f"{company} {chosen} holds: {verified.snapshot.payments_total:,}, as at its close.")


def _month(text: str) -> Month:
    from payments.core.month import Month

    try:
        return Month.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="'YYYY-MM'") from None


def _show_preview(snapshot: Snapshot, unready: Sequence[CloseWarning]) -> None:
    print_line(f"It would be closed with payments of {snapshot.payments_total:,}. Nothing was changed.")
    _show_unready(unready)


def _show_unready(unready: Sequence[CloseWarning]) -> None:
    show(warning_records(unready), CLOSE_WARNINGS, OutputFormat.TABLE, _LISTED)
