"""`payments transfers`: move money to the account of another patient, and undo it."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from console.cli.arguments import parse_date, parse_dollars, parse_id
from console.cli.confirmation import DryRunOption, YesOption
from console.cli.confirmed_change import ConfirmedChange
from console.cli.parameters import chosen_filter, report_command
from console.cli.printing import Output, show
from console.cli.session import current_user, open_report, open_transaction
from console.cli.terminal import print_line
from console.reports.transfers import TRANSFERS, TransferParameters, transfer_records
from console.transfer_wording import made_message, undone_message
from payments.core.scope import EVERYTHING

if TYPE_CHECKING:
    from payments.journeys.transferring import Transfer
    from payments.store.db.connection import Transaction

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

IdArgument = Annotated[
    int,
    typer.Argument(parser=parse_id, metavar="ID", help="Id of the transfer, as `payments transfers list` prints it."),
]
AmountOption = Annotated[
    Decimal | None,
    typer.Option(parser=parse_dollars, metavar="AMOUNT", help="In dollars. Default: all that can be moved."),
]
PaymentOption = Annotated[
    str | None, typer.Option("--payment", metavar="KEY", help="The payment whose money is moved: clinic/payment/line.")
]
EntryOption = Annotated[
    int | None, typer.Option("--entry", parser=parse_id, metavar="ID", help="The manual entry whose money is moved.")
]
DepositDateOption = Annotated[
    date | None,
    typer.Option("--deposit-date", parser=parse_date, metavar="YYYY-MM-DD", help="In an open month. Default: today."),
]
RequestKeyOption = Annotated[
    str | None,
    typer.Option("--request-key", metavar="TEXT", help="Names this request. A repetition moves nothing."),
]


@app.command(
    epilog="Example: payments transfers make --payment north/1042/1 --to P-1043 "
    '--reason "posted to the wrong patient"\n\n'
    "Example: payments transfers make --company acme --patient P-1042 --to P-1043 --amount 10.00 "
    '--reason "the family asked for it"',
)
def make(  # noqa: PLR0913 (each parameter is an option)
    *,
    to: Annotated[str, typer.Option(metavar="PATIENT", help="The patient who receives the money.")],
    reason: Annotated[str, typer.Option(help="Why the money is moved; it is recorded.")],
    amount: AmountOption = None,
    payment: PaymentOption = None,
    entry: EntryOption = None,
    company: Annotated[str | None, typer.Option(help="The company of the account.")] = None,
    patient: Annotated[str | None, typer.Option(help="The patient whose credit is moved.")] = None,
    clinic: Annotated[str | None, typer.Option(help="The clinic of the entries of a credit.")] = None,
    deposit_date: DepositDateOption = None,
    request_key: RequestKeyOption = None,
) -> None:
    """Move the money of a payment, of a manual entry or of an account's credit to the account of another patient.

    Two entries are posted that add up to 0.00. The original deposit never changes.
    """
    from payments.journeys import transferring
    from payments.journeys.transferring import RepaymentTarget, TransferDraft, TransferRequest

    draft = TransferDraft(to, reason, amount, deposit_date)
    source = RepaymentTarget(payment, entry, company, clinic, patient)
    asked = TransferRequest(request_key or uuid4().hex, draft, source)
    with open_transaction() as tx:
        done = transferring.make(tx, asked, datetime.now(UTC), current_user(), EVERYTHING.narrowed_to_company(company))
        if not done.was_done_before:
            _audit(tx, "made transfer", done, f"{made_message(done)} Reason: {done.stored.reason}")
        print_line(made_message(done))


@app.command(epilog='Example: payments transfers undo 17 --reason "it was the right patient"')
def undo(
    transfer_id: IdArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why it is undone; it is recorded.")],
    yes: YesOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Undo a transfer: reverse both of its entries.

    A second call changes nothing. On a terminal the command asks for confirmation.
    """
    from payments.journeys import transferring

    now, who = datetime.now(UTC), current_user()
    asked = transferring.Undo(transfer_id, reason)

    def apply(tx: Transaction) -> Transfer:
        return transferring.undo(tx, asked, now, who)

    def record(tx: Transaction, done: Transfer) -> None:
        if not done.was_done_before:
            _audit(tx, "undid transfer", done, f"{undone_message(done)} Reason: {reason.strip()}")

    ConfirmedChange(apply, undone_message, record, "Undo it?").run(yes=yes, dry_run=dry_run)


@report_command(TransferParameters)
def list_transfers(parameters: TransferParameters, output: Output) -> None:
    """Show transfers between accounts, newest first."""
    from payments.journeys import transferring

    with open_report() as tx:
        show(transfer_records(transferring.list_transfers(tx, chosen_filter(tx, parameters))), TRANSFERS, output)


app.command("list", epilog="Example: payments transfers list --patient P-1042")(list_transfers)


def _audit(tx: Transaction, action: str, done: Transfer, message: str) -> None:
    from payments.access import audit

    subject, company_id = f"transfer {done.stored.id}", done.stored.company_id
    audit.add(tx, audit.AuditEntry(datetime.now(UTC), current_user(), action, subject, message, company_id=company_id))
