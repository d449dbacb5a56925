"""`payments exceptions` and `payments report exceptions`: what needs a biller, and what the biller decides."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.arguments import FormOption, LimitOption, day, row_id
from console.cli.parameters import report_command
from console.cli.printing import show
from console.cli.session import current_user, open_database, open_transaction
from console.cli.terminal import print_error, print_line
from console.errors import CommandError
from console.reports.exceptions import EXCEPTIONS, ExceptionsParameters, exception_records
from console.reports.output import OutputFormat

if TYPE_CHECKING:
    from payments.journeys.adjusting import Accepted
    from payments.store.db.connection import Database

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

DepositDateOption = Annotated[
    date | None,
    typer.Option(
        "--deposit-date",
        parser=day,
        metavar="YYYY-MM-DD",
        help="Deposit date, in an open month. Default: today.",
    ),
]


@report_command(ExceptionsParameters)
def report(
    parameters: ExceptionsParameters,
    *,
    form: FormOption = OutputFormat.TABLE,
    limit: LimitOption = 200,
) -> None:
    """Show the Billing Exceptions: the case, what Billing holds, what the EMR says, and the entries to post."""
    from payments.journeys import reporting

    query = parameters.query((parameters.clinic,) if parameters.clinic else None)
    with open_transaction() as tx:
        found = reporting.exceptions(tx, query)
    show(exception_records(found), EXCEPTIONS, form, limit)


@app.command(
    epilog="Example: payments exceptions accept 17 18\n\n"
    "Example: payments exceptions accept 17 --deposit-date 2026-11-02\n\n"
    "Example: payments exceptions accept --all --company acme --dry-run"
)
def accept(
    numbers: Annotated[
        list[int] | None,
        typer.Argument(
            parser=row_id, metavar="[ID]...", help="Ids of exceptions, as `payments report exceptions` prints them."
        ),
    ] = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Accept every open exception that can be accepted.")
    ] = False,
    company: Annotated[str | None, typer.Option(help="With --all: limit to this company.")] = None,
    deposit_date: DepositDateOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the entries and change nothing.")] = False,
) -> None:
    """Accept exceptions: post their proposed entries, each in its own transaction. Accepting again posts nothing."""
    from payments.journeys import adjusting
    from payments.store.db.connection import transaction

    if bool(numbers) == everything:
        raise CommandError("name exceptions by their ids, or choose --all", exit_status=2)
    if company is not None and not everything:
        raise CommandError("--company requires --all", exit_status=2)
    with open_database() as opened:
        if everything:
            with transaction(opened) as tx:
                numbers = adjusting.list_acceptable(tx, company)
        chosen = list(dict.fromkeys(numbers or ()))
        accepted = sum(_accept(opened, number, deposit_date, dry_run=dry_run) for number in chosen)
    if everything:
        print_line(f"{accepted:,} of {len(chosen):,} exceptions {'would be accepted' if dry_run else 'accepted'}")
    if dry_run:
        print_line("Nothing was changed.")
    if accepted < len(chosen):
        raise typer.Exit(1)


@app.command(epilog='Example: payments exceptions acknowledge 17 --reason "agreed with the patient"')
def acknowledge(
    number: Annotated[
        int,
        typer.Argument(
            parser=row_id, metavar="ID", help="Id of the exception, as `payments report exceptions` prints it."
        ),
    ],
    reason: Annotated[str, typer.Option(help="Reason for posting nothing; it is recorded.")],
) -> None:
    """Close an exception without posting anything. A newer version of the payment opens a new exception."""
    from payments.journeys import adjusting

    with open_transaction() as tx:
        payment = adjusting.acknowledge(tx, number, reason, datetime.now(UTC), current_user())
    print_line(f"Exception {number} of {payment} acknowledged. Nothing was posted.")


def _accept(opened: Database, number: int, deposit_date: date | None, *, dry_run: bool) -> bool:
    from payments.journeys import adjusting
    from payments.store.db.connection import transaction

    try:
        with transaction(opened) as tx:
            done = adjusting.accept(tx, number, deposit_date, datetime.now(UTC), current_user())
            if dry_run:
                tx.rollback()
    except adjusting.AdjustmentError as error:
        print_error(str(error))
        return False
    print_line(_result(number, done, "would post" if dry_run else "posted"))
    return True


def _result(number: int, done: Accepted, posted: str) -> str:
    if done.was_accepted_before:
        return f"Exception {number} of {done.payment} was accepted before; nothing was posted."
    if not done.postings:
        return f"Exception {number} of {done.payment} accepted; there was nothing to post."
    moved = ", ".join(f"{each.amount:,} {each.dimensions.method}" for each in done.postings)
    day = done.postings[0].dimensions.deposit_date
    return f"Exception {number} of {done.payment}: {posted} {moved} with deposit date {day}."
