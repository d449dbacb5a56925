"""`payments exceptions show|assign|next|note|undo`: work on the queue of Billing Exceptions."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from console.cli.arguments import FormatOption, RawOption, parse_date, parse_id
from console.cli.confirmation import DryRunOption, YesOption, confirm, must_ask
from console.cli.exception_rows import find_exception
from console.cli.printing import Output, print_pieces, show
from console.cli.session import current_actor, current_user, open_database, open_snapshot, open_transaction
from console.cli.terminal import print_line
from console.errors import CommandError
from console.reports.exception_life import ENTRIES, EVENTS, entry_records, life_records
from console.reports.exceptions import EXCEPTIONS, ExceptionsParameters, QueueChoice, exception_records
from console.reports.notes import NOTES, note_records
from console.reports.output import OutputFormat, array_pieces, object_pieces, to_json_value
from payments.core.scope import EVERYTHING

if TYPE_CHECKING:
    from payments.journeys.undoing import UndoRequest, UndoResult
    from payments.store.db.connection import Transaction

app = typer.Typer()

IdArgument = Annotated[
    int,
    typer.Argument(
        parser=parse_id, metavar="ID", help="Id of the exception, as `payments report exceptions` prints it."
    ),
]


@app.command("show", epilog="Example: payments exceptions show 17")
def show_one(
    exception_id: IdArgument, *, output_format: FormatOption = OutputFormat.TABLE, raw: RawOption = False
) -> None:
    """Show one exception with its history: its events and entries, and the notes on its payment."""
    from payments.journeys import noting, reporting

    output = Output(output_format, is_raw=raw)
    output.check()
    with open_snapshot() as tx:
        row = find_exception(tx, exception_id)
        life = reporting.exception_life(tx, row)
        subject = noting.exception_subject(tx, exception_id, EVERYTHING)
        notes = note_records(noting.list_notes(tx, [subject] if subject else []))
    (record,) = exception_records([row])
    events, entries = life_records(life.events), entry_records(life.entries)
    if output_format is OutputFormat.JSON:
        values: dict[str, Any] = {key: to_json_value(record[key]) for key in EXCEPTIONS.keys}
        print_pieces(array_pieces([object_pieces(values, {"events": events, "entries": entries, "notes": notes})]))
        return
    show([record], EXCEPTIONS, output)
    if output_format is OutputFormat.TABLE:
        for records, report in ((events, EVENTS), (entries, ENTRIES), (notes, NOTES)):
            show(records, report, output)


@app.command(
    epilog="Example: payments exceptions assign 17 18 --to ann\n\nExample: payments exceptions assign 17 --nobody"
)
def assign(
    exception_ids: Annotated[
        list[int],
        typer.Argument(
            parser=parse_id, metavar="ID", help="Exception ids, as `payments report exceptions` prints them."
        ),
    ],
    *,
    to: Annotated[str | None, typer.Option("--to", metavar="USER", help="The user who is to decide them.")] = None,
    nobody: Annotated[bool, typer.Option("--nobody", help="Remove the owner.")] = False,
) -> None:
    """Assign open exceptions to a user of the console who has the right to decide them. All of them change, or none."""
    from console import exception_actions
    from payments import exception_wording
    from payments.journeys.assigning import Assignment

    if (to is None) is not nobody:
        raise CommandError("name the user with --to, or choose --nobody", exit_status=2)
    actor = current_actor()
    with open_transaction() as tx:
        for exception_id in dict.fromkeys(exception_ids):
            row = find_exception(tx, exception_id)
            exception_actions.assign(tx, actor, row, Assignment(exception_id, to))
            print_line(exception_wording.sentence(row.id, row.payment, exception_wording.assignment_result(to)))


@app.command("next", epilog="Example: payments exceptions next --to ann --company acme")
def claim_next(
    *,
    to: Annotated[str, typer.Option("--to", metavar="USER", help="The user who gets it.")],
    company: Annotated[str | None, typer.Option(help="This company only.")] = None,
    queue: Annotated[QueueChoice | None, typer.Option(help="This queue only.")] = None,
    output_format: FormatOption = OutputFormat.TABLE,
    raw: RawOption = False,
) -> None:
    """Assign the oldest open exception without an owner to a user, and show it. No two users get the same exception."""
    from console import exception_actions
    from payments.journeys import assigning

    output = Output(output_format, is_raw=raw)
    output.check()
    with open_transaction() as tx:
        user = assigning.find_assignable_user(tx, to)
        if user is None:
            raise CommandError(f"there is no active user {to} who may decide exceptions")
        query = ExceptionsParameters(company=company, queue=queue).to_filter(user.scope)
        row = exception_actions.claim_next(tx, current_actor(), query, user)
    show(exception_records([row] if row else []), EXCEPTIONS, output)


@app.command(epilog='Example: payments exceptions note 17 --text "Called the clinic: they will save it again."')
def note(
    exception_id: IdArgument,
    *,
    text: Annotated[str, typer.Option("--text", help="The note. Only users of the console see it.")],
) -> None:
    """Add an internal note to an exception. It is also shown with the exception's payment."""
    from payments.journeys import noting

    with open_transaction() as tx:
        row = find_exception(tx, exception_id)
        subject = noting.exception_subject(tx, exception_id, EVERYTHING)
        assert subject  # noqa: S101 (the row was found)
        added = noting.add_note(tx, noting.NewNote(subject, text, row.payment), datetime.now(UTC), current_user())
    print_line(f"Note {added.id} added to exception {exception_id} of {row.payment}.")


@app.command(epilog='Example: payments exceptions undo 17 --reason "accepted the wrong one"')
def undo(
    exception_id: IdArgument,
    *,
    reason: Annotated[str, typer.Option(help="Why the decision is undone; it is recorded.")],
    deposit_date: Annotated[
        date | None,
        typer.Option(
            "--deposit-date",
            parser=parse_date,
            metavar="YYYY-MM-DD",
            help="Deposit date of the reversing entries. Default: that of the reversed entries; today if it is closed.",
        ),
    ] = None,
    yes: YesOption = False,
    dry_run: DryRunOption = False,
) -> None:
    """Undo an acceptance or an acknowledgement: the exception is open again. Repeating this changes nothing.

    New entries in an open month reverse the entries of an acceptance. On a terminal the command asks for confirmation.
    """
    from payments.journeys import undoing
    from payments.store.db.connection import transaction

    request = undoing.UndoRequest(exception_id, reason, deposit_date=deposit_date)
    with open_database() as opened:
        if dry_run or must_ask(yes=yes):
            with transaction(opened) as tx:
                expected, done = _undo(tx, request, is_preview=True)
                tx.rollback()
            if dry_run:
                print_line(f"{expected} Nothing was changed.")
                return
            if not done.was_undone_before:
                confirm(f"{expected} Undo?")
        with transaction(opened) as tx:
            print_line(_undo(tx, request)[0])


def _undo(tx: Transaction, request: UndoRequest, *, is_preview: bool = False) -> tuple[str, UndoResult]:
    """Undo the decision on an exception. Return a sentence that describes the effect, and the result."""
    from console import exception_actions
    from payments import exception_wording

    row = find_exception(tx, request.finding_id)
    undone = exception_actions.undo(tx, current_actor(), row, request)
    result = exception_wording.undo_result(undone, is_preview=is_preview)
    return exception_wording.sentence(row.id, row.payment, result), undone
