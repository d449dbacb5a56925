"""`payments notes`: internal notes on a payment or on a patient's account."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from console.cli.parameters import report_command
from console.cli.printing import Output, show
from console.cli.session import current_user, open_report, open_transaction
from console.cli.terminal import print_line
from console.errors import CommandError
from console.reports.notes import NOTES, NotesParameters, note_records
from payments.core.scope import EVERYTHING

if TYPE_CHECKING:
    from payments.journeys.noting import NoteSubject
    from payments.store.db.connection import Transaction

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")


@app.command(epilog='Example: payments notes add --patient P-1042 --text "Moved to Boise."')
def add(
    *,
    text: Annotated[str, typer.Option("--text", help="The note. Only users of the console see it.")],
    payment: Annotated[str | None, typer.Option(metavar="KEY", help="The payment: clinic/payment/line.")] = None,
    patient: Annotated[str | None, typer.Option(help="The patient whose account the note is about.")] = None,
    company: Annotated[str | None, typer.Option(help="The company of the payment or patient.")] = None,
) -> None:
    """Add an internal note to a payment or to a patient's account. Notes are never changed."""
    from payments.journeys import noting

    with open_transaction() as tx:
        named, found = _subjects(tx, NotesParameters(payment=payment, patient=patient, company=company))
        subject = noting.only_subject(found, named)
        if subject is None:
            raise CommandError(f"there is no {named}")
        new = noting.NewNote(subject, text, payment or patient or "")
        added = noting.add_note(tx, new, datetime.now(UTC), current_user())
    print_line(f"Note {added.id} added to {named}.")


@report_command(NotesParameters)
def list_notes(parameters: NotesParameters, output: Output) -> None:
    """Show the internal notes on a payment and its exceptions, or on a patient's account."""
    from payments.journeys import noting

    with open_report() as tx:
        _, found = _subjects(tx, parameters)
        show(note_records(noting.list_notes(tx, found)), NOTES, output)


app.command("list", epilog="Example: payments notes list --payment north/p-1001/1")(list_notes)


def _subjects(tx: Transaction, parameters: NotesParameters) -> tuple[str, list[NoteSubject]]:
    """Return the chosen payment or patient as text, such as `patient P-1042`, and the subjects whose notes are shown.

    Raises CommandError if the options do not name exactly one payment or patient.
    """
    from payments.journeys import noting

    scope = EVERYTHING.narrowed_to_company(parameters.company)
    match parameters.payment, parameters.patient:
        case str() as key, None:
            return f"payment {key}", noting.payment_subjects(tx, key, scope)
        case None, str() as patient:
            return f"patient {patient}", noting.account_subjects(tx, patient, scope)
    raise CommandError("name either a --payment or a --patient", exit_status=2)
