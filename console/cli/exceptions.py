"""`payments exceptions` and `payments report exceptions`: list exceptions, and record a biller's decisions."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.accepting import Acceptance
from console.cli.arguments import parse_date, parse_id
from console.cli.confirmation import DryRunOption, YesOption, confirm, must_ask
from console.cli.exception_rows import find_exception
from console.cli.parameters import chosen_filter, report_command
from console.cli.printing import Output, show
from console.cli.session import current_actor, open_database, open_report, warn_without_timezone
from console.cli.terminal import print_line
from console.errors import CommandError
from console.reports.exceptions import EXCEPTIONS, ExceptionsParameters, exception_records
from payments.core.scope import EVERYTHING

if TYPE_CHECKING:
    from payments.journeys.adjusting import SeenException
    from payments.store.db.connection import Database

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

DepositDateOption = Annotated[
    date | None,
    typer.Option(
        "--deposit-date",
        parser=parse_date,
        metavar="YYYY-MM-DD",
        help="Deposit date, in an open month. Default: today.",
    ),
]


@report_command(ExceptionsParameters)
def report(
    parameters: ExceptionsParameters,
    output: Output,
) -> None:
    """Show the Billing Exceptions: the case, the amounts in Billing and in the EMR, and the proposed entries."""
    from payments.journeys import reporting

    with open_report() as tx:
        query, sort = chosen_filter(tx, parameters), EXCEPTIONS.sort_of(parameters)
        show(exception_records(reporting.exceptions(tx, query, sort)), EXCEPTIONS, output)


@app.command(
    epilog="Example: payments exceptions accept 17 18\n\n"
    "Example: payments exceptions accept 17 --deposit-date 2026-11-02\n\n"
    "Example: payments exceptions accept --all --company acme --dry-run"
)
def accept(  # noqa: PLR0913 (each parameter is an option)
    exception_ids: Annotated[
        list[int] | None,
        typer.Argument(
            parser=parse_id, metavar="ID", help="Exception ids, as `payments report exceptions` prints them."
        ),
    ] = None,
    *,
    everything: Annotated[
        bool, typer.Option("--all", help="Accept every open exception that can be accepted.")
    ] = False,
    company: Annotated[str | None, typer.Option(help="With --all: limit to this company.")] = None,
    deposit_date: DepositDateOption = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Accept exceptions: post their proposed entries. Accepting an exception again posts nothing.

    Each exception is accepted in its own transaction. On a terminal the command asks for confirmation, with the number
    of exceptions and the sum of their entries. An exception that changes before the answer stays open.
    """
    from payments.journeys import adjusting
    from payments.store.db.connection import transaction

    _check_choice(exception_ids, company, everything=everything)
    with open_database() as opened:
        if everything:
            with transaction(opened) as tx:
                exception_ids = adjusting.list_acceptable(tx, company)
        seen = EVERYTHING.narrowed_to_company(company)
        acceptance = Acceptance(opened, list(dict.fromkeys(exception_ids or ())), deposit_date, seen)
        with transaction(opened) as tx:
            warn_without_timezone(tx, adjusting.list_companies_of_exceptions(tx, acceptance.exception_ids))
        accepted = acceptance.preview() if dry_run else acceptance.run(has_to_ask=must_ask(yes=yes))
    if everything or dry_run:
        print_line(acceptance.summary(accepted, is_preview=dry_run))
    if accepted < len(acceptance.exception_ids):
        raise typer.Exit(1)


def _check_choice(exception_ids: Sequence[int] | None, company: str | None, *, everything: bool) -> None:
    if bool(exception_ids) == everything:
        raise CommandError("name exceptions by their ids, or choose --all", exit_status=2)
    if company is not None and not everything:
        raise CommandError("--company requires --all", exit_status=2)


@app.command(epilog='Example: payments exceptions acknowledge 17 --reason "agreed with the patient"')
def acknowledge(
    exception_id: Annotated[
        int,
        typer.Argument(
            parser=parse_id, metavar="ID", help="Id of the exception, as `payments report exceptions` prints it."
        ),
    ],
    reason: Annotated[str, typer.Option(help="Why nothing is posted; it is recorded.")],
    *,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Close an exception without posting anything. A newer version of the payment opens a new exception.

    On a terminal the command asks for confirmation and shows the remaining difference between the EMR and Billing.
    """
    from console import exception_actions
    from payments import exception_wording
    from payments.store.db.connection import transaction

    seen = None
    with open_database() as opened:
        if dry_run or must_ask(yes=yes):
            expected, seen = _preview_acknowledge(opened, exception_id, reason)
            if dry_run:
                print_line(f"{expected} Nothing was changed.")
                return
            confirm(f"{expected} Acknowledge it?")
        with transaction(opened) as tx:
            row = find_exception(tx, exception_id)
            exception_actions.acknowledge(tx, current_actor(), row, reason, seen)
    print_line(exception_wording.sentence(row.id, row.payment, exception_wording.ACKNOWLEDGED_RESULT))


def _preview_acknowledge(opened: Database, exception_id: int, reason: str) -> tuple[str, SeenException]:
    """Return a sentence about the effect of acknowledging an exception, and the exception as it is now.

    Raises DecisionError if the exception cannot be acknowledged.
    """
    from console import exception_actions
    from payments.journeys import adjusting
    from payments.store.db.connection import transaction

    with transaction(opened) as tx:
        row = find_exception(tx, exception_id)
        exception_actions.acknowledge(tx, current_actor(), row, reason)
        tx.rollback()
    rest = f"the EMR and Billing would still differ by {row.difference:,}" if row.difference else "the amounts agree"
    expected = f"Exception {exception_id} of {row.payment} would be closed and nothing posted; {rest}."
    return expected, adjusting.SeenException(exception_id, row.version)
