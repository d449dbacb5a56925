"""`payments refunds`: request, approve, issue and void refunds, and record payments that the bank took back."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated
from uuid import uuid4

import typer

from console.cli.arguments import parse_choice, parse_date, parse_dollars, parse_id
from console.cli.confirmation import DryRunOption, YesOption
from console.cli.confirmed_change import ConfirmedChange
from console.cli.parameters import chosen_filter, report_command
from console.cli.printing import Output, show
from console.cli.session import current_user, open_report, open_transaction
from console.cli.terminal import print_line
from console.repayment_wording import approved_message, issued_message, requested_message, voided_message
from console.reports.repayments import REPAYMENTS, RepaymentParameters, repayment_records
from payments.core.scope import EVERYTHING

if TYPE_CHECKING:
    from payments.journeys.repaying import Repayment
    from payments.store.db.connection import Transaction

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

KINDS = "refund|bounced-check|chargeback"
IdArgument = Annotated[
    int, typer.Argument(parser=parse_id, metavar="ID", help="Id of the refund, as `payments refunds list` prints it.")
]
PaymentOption = Annotated[
    str | None, typer.Option("--payment", metavar="KEY", help="The payment that is paid back: clinic/payment/line.")
]
EntryOption = Annotated[
    int | None, typer.Option("--entry", parser=parse_id, metavar="ID", help="The manual entry that is paid back.")
]
DepositDateOption = Annotated[
    date | None,
    typer.Option("--deposit-date", parser=parse_date, metavar="YYYY-MM-DD", help="In an open month. Default: today."),
]
RequestKeyOption = Annotated[
    str | None,
    typer.Option("--request-key", metavar="TEXT", help="Names this request. A repetition changes nothing."),
]
FeeOption = Annotated[
    Decimal | None, typer.Option(parser=parse_dollars, metavar="AMOUNT", help="What the bank charged the office.")
]


@app.command(
    "request",
    epilog="Example: payments refunds request --payment north/1042/1 --amount 25.00 --method Check "
    '--reason "paid twice"\n\n'
    'Example: payments refunds request --company acme --patient P-1042 --amount 10.00 --reason "moved away"\n\n'
    "Example: payments refunds request --kind bounced-check --payment north/1042/1 --amount 25.00 --fee 12.00 "
    '--reason "insufficient funds"',
)
def request_refund(  # noqa: PLR0913 (each parameter is an option)
    *,
    amount: Annotated[Decimal, typer.Option(parser=parse_dollars, metavar="AMOUNT", help="In dollars, above 0.00.")],
    reason: Annotated[str, typer.Option(help="Why the money is paid back; it is recorded.")],
    kind: Annotated[str, typer.Option(metavar=KINDS, help="Returned payments are posted immediately.")] = "refund",
    payment: PaymentOption = None,
    entry: EntryOption = None,
    company: Annotated[str | None, typer.Option(help="The company of a credit.")] = None,
    patient: Annotated[str | None, typer.Option(help="The patient whose credit is paid back.")] = None,
    clinic: Annotated[str | None, typer.Option(help="The clinic that pays a credit back.")] = None,
    method: Annotated[str | None, typer.Option(help="How it is paid back. Default: the payment's, or Check.")] = None,
    fee: FeeOption = None,
    reference: Annotated[str, typer.Option(help="The bank's number of a returned payment.")] = "",
    deposit_date: DepositDateOption = None,
    request_key: RequestKeyOption = None,
) -> None:
    """Request a refund of a payment, a manual entry or an account's credit, or record a returned payment.

    At most the money that the payment or the account still has is paid back. The original deposit never changes.
    """
    from payments.contract.event import Method
    from payments.journeys import repaying
    from payments.journeys.repaying import RepaymentDraft, RepaymentKind, RepaymentRequest, RepaymentTarget

    draft = RepaymentDraft(
        kind=parse_choice(RepaymentKind, kind, "kind", "--kind"),
        amount=amount,
        reason=reason,
        method=parse_choice(Method, method, "method", "--method") if method else None,
        fee=fee,
    )
    target = RepaymentTarget(payment, entry, company, clinic, patient)
    asked = RepaymentRequest(request_key or uuid4().hex, draft, target, reference, deposit_date)
    with open_transaction() as tx:
        done = repaying.request(tx, asked, datetime.now(UTC), current_user(), EVERYTHING.narrowed_to_company(company))
        if not done.was_done_before:
            _audit(tx, "requested refund", done, requested_message(done))
        print_line(requested_message(done))


@app.command(epilog="Example: payments refunds approve 17")
def approve(refund_id: IdArgument) -> None:
    """Approve a refund that another person has requested."""
    from payments.journeys import repaying

    with open_transaction() as tx:
        done = repaying.approve(tx, refund_id, datetime.now(UTC), current_user())
        _audit(tx, "approved refund", done, approved_message(done))
        print_line(approved_message(done))


@app.command(epilog='Example: payments refunds issue 17 --reference "check 2044"')
def issue(
    refund_id: IdArgument,
    *,
    reference: Annotated[str, typer.Option(help="The number of the check, or of the card's refund.")],
    deposit_date: DepositDateOption = None,
    another: Annotated[
        bool, typer.Option("--another", help="A refund of the EMR with the same amount is another one.")
    ] = False,
) -> None:
    """Issue a refund: post the entry that takes the money out. Above the company's limit it needs an approval first."""
    from payments.journeys import repaying

    asked = repaying.Issue(refund_id, reference, deposit_date, is_another=another)
    with open_transaction() as tx:
        done = repaying.issue(tx, asked, datetime.now(UTC), current_user())
        _audit(tx, "issued refund", done, issued_message(done))
        print_line(issued_message(done))


@app.command(epilog='Example: payments refunds void 17 --reason "the check was never cashed"')
def void(
    refund_id: IdArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why it is voided; it is recorded.")],
    yes: YesOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Void a refund or a returned payment. The entry that it has posted is reversed.

    A second call changes nothing. On a terminal the command asks for confirmation.
    """
    from payments.journeys import repaying

    now, who = datetime.now(UTC), current_user()
    asked = repaying.Void(refund_id, reason)

    def apply(tx: Transaction) -> Repayment:
        return repaying.void(tx, asked, now, who)

    def record(tx: Transaction, done: Repayment) -> None:
        if not done.was_done_before:
            _audit(tx, "voided refund", done, f"{voided_message(done)} Reason: {reason.strip()}")

    ConfirmedChange(apply, voided_message, record, "Void it?").run(yes=yes, dry_run=dry_run)


@report_command(RepaymentParameters)
def list_refunds(parameters: RepaymentParameters, output: Output) -> None:
    """Show refunds and returned payments, newest first, with refunds of the EMR that may be the same."""
    from payments.journeys import repaying

    with open_report() as tx:
        show(repayment_records(repaying.list_repayments(tx, chosen_filter(tx, parameters))), REPAYMENTS, output)


app.command("list", epilog="Example: payments refunds list --status requested")(list_refunds)


def _audit(tx: Transaction, action: str, done: Repayment, message: str) -> None:
    from payments.access import audit

    subject, company_id = f"refund {done.stored.id}", done.stored.place.company_id
    audit.add(tx, audit.AuditEntry(datetime.now(UTC), current_user(), action, subject, message, company_id=company_id))
