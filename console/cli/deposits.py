"""`payments deposits`: make, reverse and show deposits at the bank, and list the entries that are on none."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from console.cli.arguments import FormatOption, RawOption, parse_choice, parse_date, parse_id
from console.cli.confirmation import DryRunOption, YesOption
from console.cli.confirmed_change import ConfirmedChange
from console.cli.parameters import chosen_filter, report_command
from console.cli.printing import Output, print_pieces, show
from console.cli.session import current_user, open_report, open_transaction
from console.cli.terminal import print_line
from console.deposit_wording import made_message, reversed_message
from console.reports.deposits import (
    DEPOSIT_ENTRIES,
    DEPOSITS,
    UNDEPOSITED,
    DepositsParameters,
    UndepositedParameters,
    deposit_records,
    entry_records,
)
from console.reports.output import OutputFormat, object_pieces

if TYPE_CHECKING:
    from payments.journeys.deposits import DepositSlip
    from payments.store.db.connection import Transaction

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

DepositArgument = Annotated[
    int, typer.Argument(parser=parse_id, metavar="ID", help="Id of the deposit, as `payments deposits list` prints it.")
]
DayOption = Annotated[
    date | None, typer.Option("--day", parser=parse_date, metavar="YYYY-MM-DD", help="Its day. Default: today.")
]


@app.command(
    epilog="Example: payments deposits make 412 413 --clinic north --method Check --bank-account 'First Bank 1234'"
)
def make(  # noqa: PLR0913 (each parameter is an option)
    entries: Annotated[
        list[int],
        typer.Argument(parser=parse_id, metavar="ENTRY...", help="Entries, as `payments deposits undeposited` prints."),
    ],
    *,
    clinic: Annotated[str, typer.Option(help="The clinic of the entries.")],
    method: Annotated[str, typer.Option(help="The payment method of the entries.")],
    bank_account: Annotated[str, typer.Option(help="The bank account, for example: First Bank 1234.")],
    day: DayOption = None,
    company: Annotated[str | None, typer.Option(help="The company, if several have the clinic.")] = None,
    request_key: Annotated[
        str | None, typer.Option(metavar="TEXT", help="Names this request. A repetition makes no second deposit.")
    ] = None,
) -> None:
    """Make a deposit of entries that are on none. A deposit is never changed; `reverse` undoes it."""
    from payments.contract.event import Method
    from payments.core.deposit import DepositDraft
    from payments.journeys import deposits

    chosen = parse_choice(Method, method, "method", "--method")
    draft = DepositDraft(request_key or uuid4().hex, clinic, chosen, bank_account, tuple(entries), day, company)
    with open_transaction() as tx:
        slip = deposits.make(tx, draft, datetime.now(UTC), current_user())
        if not slip.was_made_before:
            _audit(tx, "made deposit", slip, made_message(slip))
        print_line(made_message(slip))


@app.command(epilog='Example: payments deposits reverse 12 --reason "taken to another bank"')
def reverse(
    deposit_id: DepositArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why it is reversed; it is recorded.")],
    day: DayOption = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Reverse a deposit: its entries are on no deposit again. A second call changes nothing.

    On a terminal the command asks for confirmation.
    """
    from payments.journeys import deposits

    now, who = datetime.now(UTC), current_user()
    reversal = deposits.DepositReversal(deposit_id, reason, day)

    def apply(tx: Transaction) -> DepositSlip:
        return deposits.reverse(tx, reversal, now, who)

    def record(tx: Transaction, slip: DepositSlip) -> None:
        _audit(tx, "reversed deposit", slip, f"{reversed_message(slip)} Reason: {reason.strip()}")

    ConfirmedChange(apply, reversed_message, record, "Reverse it?").run(yes=yes, dry_run=dry_run)


@report_command(DepositsParameters)
def list_deposits(parameters: DepositsParameters, output: Output) -> None:
    """Show the newest 500 deposits, the newest day first. A reversal has a negative total."""
    from payments.journeys import deposits

    with open_report() as tx:
        show(deposit_records(deposits.list_deposits(tx, chosen_filter(tx, parameters))), DEPOSITS, output)


app.command("list", epilog="Example: payments deposits list --clinic north --from 2026-11-02")(list_deposits)


@report_command(UndepositedParameters)
def undeposited(parameters: UndepositedParameters, output: Output) -> None:
    """Show the first 5,000 entries that are on no deposit, by deposit date."""
    from payments.core.deposit import ENTRIES_MAX
    from payments.journeys import deposits

    with open_report() as tx:
        found = deposits.list_undeposited(tx, chosen_filter(tx, parameters), ENTRIES_MAX)
        show(entry_records(found), UNDEPOSITED, output)


app.command("undeposited", epilog="Example: payments deposits undeposited --clinic north --method Check")(undeposited)


@app.command("show", epilog="Example: payments deposits show 12")
def show_deposit(
    deposit_id: DepositArgument,
    *,
    output_format: FormatOption = OutputFormat.TABLE,
    raw: RawOption = False,
) -> None:
    """Show a deposit with its entries. CSV has the entries only."""
    from payments.journeys import deposits

    output = Output(output_format, 0, is_raw=raw)
    output.check()
    with open_report() as tx:
        slip = deposits.show(tx, deposit_id)
        (deposit,), entries = deposit_records([slip.deposit]), entry_records(slip.entries)
        if output_format is OutputFormat.JSON:
            print_pieces(object_pieces(deposit, {"entries": entries}))
            return
        if output_format is OutputFormat.TABLE:
            show([deposit], DEPOSITS, Output(limit=0))
        show(entries, DEPOSIT_ENTRIES, output)


def _audit(tx: Transaction, action: str, slip: DepositSlip, detail: str) -> None:
    from payments.access import audit

    deposit = slip.deposit
    row = audit.AuditEntry(
        datetime.now(UTC), current_user(), action, f"deposit {deposit.id}", detail, company_id=deposit.company_id
    )
    audit.add(tx, row)
