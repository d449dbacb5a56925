"""`payments entries`: make manual entries, link them to payments, and reverse them."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any
from uuid import uuid4

import typer

from console.cli.arguments import parse_choice, parse_date, parse_dollars, parse_id
from console.cli.confirmation import DryRunOption, YesOption
from console.cli.confirmed_change import ConfirmedChange
from console.cli.parameters import report_command
from console.cli.printing import Output, show
from console.cli.session import current_user, open_report, open_transaction
from console.cli.terminal import print_line
from console.errors import CommandError
from console.manual_entry_wording import linked_message, posted_message, reversed_message, unlinked_message
from console.reports.manual_entries import MANUAL_ENTRIES, ManualEntriesParameters, manual_entry_records
from payments.core.scope import EVERYTHING, Scope

if TYPE_CHECKING:
    from payments.journeys.linking import LinkTarget
    from payments.journeys.manual_entries import EntryDraft, ReversalResult, StoredEntry
    from payments.store.db.connection import Transaction

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

PURPOSES = "payment|adjustment|error-correction"
IdArgument = Annotated[
    int, typer.Argument(parser=parse_id, metavar="ID", help="Id of the entry, as `payments entries list` prints it.")
]
ExceptionOption = Annotated[
    int | None, typer.Option("--exception", parser=parse_id, metavar="ID", help="The exception that it settles.")
]
PaymentOption = Annotated[
    str | None, typer.Option("--payment", metavar="KEY", help="The payment that it belongs to: clinic/payment/line.")
]


PatientOption = Annotated[str | None, typer.Option("--patient", help="Default: the patient of the payment.")]
ClinicOption = Annotated[
    str | None, typer.Option("--clinic", help="Default: that of the payment, or the company's only one.")
]
DepositDateOption = Annotated[
    date | None,
    typer.Option("--deposit-date", parser=parse_date, metavar="YYYY-MM-DD", help="In an open month. Default: today."),
]
ServiceDateOption = Annotated[
    date | None,
    typer.Option("--date-of-service", parser=parse_date, metavar="YYYY-MM-DD", help="The visit that it is for."),
]
ReversalDateOption = Annotated[
    date | None,
    typer.Option(
        "--deposit-date",
        parser=parse_date,
        metavar="YYYY-MM-DD",
        help="Deposit date of the reversal. Default: that of the entry; today if its month is closed.",
    ),
]
RequestKeyOption = Annotated[
    str | None,
    typer.Option("--request-key", metavar="TEXT", help="Names this request. A repetition posts nothing."),
]


@app.command(
    epilog="Example: payments entries add --company acme --patient P-1042 --amount 25.00 --kind payment "
    "--deposit-date 2026-11-02 --method Check --reference 1021\n\n"
    'Example: payments entries add --exception 17 --amount 10.00 --kind adjustment --reason "posted at the desk"'
)
def add(  # noqa: PLR0913 (each parameter is an option)
    *,
    amount: Annotated[Decimal, typer.Option(parser=parse_dollars, metavar="AMOUNT", help="In dollars; -25.00 too.")],
    kind: Annotated[str, typer.Option(metavar=PURPOSES, help="Its purpose. Only a payment needs no reason.")],
    company: Annotated[str | None, typer.Option(help="The company of the patient.")] = None,
    clinic: ClinicOption = None,
    patient: PatientOption = None,
    deposit_date: DepositDateOption = None,
    method: Annotated[str, typer.Option(help="The payment method.")] = "Other",
    charge_type: Annotated[str | None, typer.Option(help="Default: that of the payment, or Other.")] = None,
    date_of_service: ServiceDateOption = None,
    reference: Annotated[str | None, typer.Option(help="Number of the check, or last digits of the card.")] = None,
    reason: Annotated[str, typer.Option(help="Why it is made. An adjustment or error correction needs it.")] = "",
    exception: ExceptionOption = None,
    payment: PaymentOption = None,
    request_key: RequestKeyOption = None,
) -> None:
    """Post a manual entry to a patient's account, with a deposit date in an open month. Entries are never deleted."""
    draft = _draft(
        kind=kind,
        amount=amount,
        method=method,
        charge_type=charge_type,
        company_id=company,
        clinic_id=clinic,
        patient_id=patient,
        deposit_date=deposit_date,
        reference=reference,
        reason=reason,
        date_of_service=date_of_service,
    )
    target = _target(exception, payment) if exception or payment else None
    _post(draft, target, request_key or uuid4().hex, EVERYTHING.narrowed_to_company(company))


@app.command(epilog='Example: payments entries reverse 412 --reason "typed twice"')
def reverse(
    entry_id: IdArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why it is reversed; it is recorded.")],
    deposit_date: ReversalDateOption = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Reverse a manual entry: post an opposite entry that refers to it, and end the reversed entry's link to a payment.

    A second call changes nothing. On a terminal the command asks for confirmation.
    """
    from payments.journeys import manual_entries

    now, who = datetime.now(UTC), current_user()
    request = manual_entries.ReversalRequest(entry_id, reason, deposit_date)

    def apply(tx: Transaction) -> ReversalResult:
        return manual_entries.reverse(tx, request, now, who)

    def record(tx: Transaction, done: ReversalResult) -> None:
        _audit(tx, "reversed manual entry", done.entry)

    ConfirmedChange(apply, reversed_message, record, "Reverse it?").run(yes=yes, dry_run=dry_run)


@app.command(epilog="Example: payments entries link 412 --exception 17")
def link(entry_id: IdArgument, *, exception: ExceptionOption = None, payment: PaymentOption = None) -> None:
    """Link a manual entry to the payment that it was posted for. This updates the payment's exception."""
    from payments.journeys import linking, manual_entries

    request = linking.LinkRequest(entry_id, _target(exception, payment))
    with open_transaction() as tx:
        done = linking.link(tx, request, datetime.now(UTC), current_user())
        _audit(tx, "linked manual entry", manual_entries.show(tx, entry_id).entry)
        print_line(linked_message(entry_id, done))


@app.command(epilog='Example: payments entries unlink 412 --reason "it was for another visit"')
def unlink(
    entry_id: IdArgument, *, reason: Annotated[str, typer.Option(help="Why it is unlinked; it is recorded.")]
) -> None:
    """End the link of a manual entry to a payment. The payment's exception opens again if Billing lacks the amount."""
    from payments.journeys import linking, manual_entries

    with open_transaction() as tx:
        done = linking.unlink(tx, linking.UnlinkRequest(entry_id, reason), datetime.now(UTC), current_user())
        _audit(tx, "unlinked manual entry", manual_entries.show(tx, entry_id).entry)
        print_line(unlinked_message(entry_id, done))


@report_command(ManualEntriesParameters)
def list_entries(parameters: ManualEntriesParameters, output: Output) -> None:
    """Show the manual entries of a patient's account, newest first, with the payments that they are linked to."""
    from payments.journeys import manual_entries

    with open_report() as tx:
        scope = EVERYTHING.narrowed_to_company(parameters.company)
        show(manual_entry_records(manual_entries.of_account(tx, parameters.patient, scope)), MANUAL_ENTRIES, output)


app.command("list", epilog="Example: payments entries list --patient P-1042")(list_entries)


def _draft(*, kind: str, method: str, charge_type: str | None, **rest: Any) -> EntryDraft:
    from payments.contract.event import ChargeType, Method
    from payments.journeys.manual_entries import EntryDraft, EntryPurpose

    return EntryDraft(
        purpose=parse_choice(EntryPurpose, kind, "kind", "--kind"),
        method=parse_choice(Method, method, "method", "--method"),
        charge_type=parse_choice(ChargeType, charge_type, "charge type", "--charge-type") if charge_type else None,
        **rest,
    )


def _post(draft: EntryDraft, target: LinkTarget | None, key: str, scope: Scope) -> None:
    from payments.journeys import manual_entries

    request = manual_entries.EntryRequest(key, draft, target)
    with open_transaction() as tx:
        posted = manual_entries.post(tx, request, datetime.now(UTC), current_user(), scope)
        if not posted.was_posted_before:
            _audit(tx, "posted manual entry", posted.entry)
        print_line(posted_message(posted))


def _target(exception: int | None, payment: str | None) -> LinkTarget:
    from payments.journeys.linking import LinkTarget

    if (exception is None) is (payment is None):
        raise CommandError("name either an --exception or a --payment", exit_status=2)
    return LinkTarget(exception, payment)


def _audit(tx: Transaction, action: str, entry: StoredEntry) -> None:
    from payments.access import audit

    content = entry.content
    detail = f"{content.amount} {content.method}, deposit date {content.deposit_date}. {content.reason}".strip()
    row = audit.AuditEntry(
        datetime.now(UTC), current_user(), action, f"entry {entry.id}", detail, company_id=content.company_id
    )
    audit.add(tx, row)
