"""The API for the work queue of Billing Exceptions, and for notes on payments and accounts."""

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse

from console.reports.exception_life import entry_records, life_records
from console.reports.exceptions import EXCEPTIONS, ExceptionsParameters, exception_records
from console.reports.notes import NOTES, NotesParameters, note_records
from console.reports.output import Record, to_json_value
from console.web import exception_actions, note_actions
from console.web.api_rows import rows_response
from console.web.auth import Editor, Viewer
from console.web.exception_schemas import (
    AssignRequest,
    AssignResult,
    ExceptionLife,
    NextRequest,
    NextResult,
    NoteBody,
    NoteResult,
    SubjectNoteBody,
    UndoRequestBody,
    UndoResult,
)
from console.web.filters import ReportQuery, RowId, report_query
from console.web.schemas import PROBLEMS, Rows, success_response
from console.web.strictness import StrictBodyRoute
from payments.journeys import noting, reporting
from payments.journeys.assigning import Assignment
from payments.journeys.choosing import ScopeChoice
from payments.journeys.noting import Note
from payments.journeys.reporting import ExceptionRow
from payments.journeys.undoing import UndoRequest

router = APIRouter(prefix="/api", responses=PROBLEMS, route_class=StrictBodyRoute)


@router.get("/exceptions/{exception_id:row}", responses=success_response(ExceptionLife))
def life(exception_id: RowId, context: Viewer) -> Response:
    """Return one exception with its events, its entries and the notes on its payment."""
    with context.snapshot_transaction() as tx:
        row = exception_actions.visible_exception(tx, context, exception_id)
        found = reporting.exception_life(tx, row)
        subject = noting.exception_subject(tx, exception_id, context.user.scope)
        notes = noting.list_notes(tx, [subject] if subject else [])
        context.audit(tx, "viewed exception", row.payment, f"API {exception_id}", row.company)
    return JSONResponse(
        {
            "exception": _exception_json(row),
            "events": _records_json(life_records(found.events)),
            "entries": _records_json(entry_records(found.entries)),
            "notes": _records_json(note_records(notes)),
        }
    )


@router.post("/exceptions/next", responses=success_response(NextResult))
def claim_next(body: NextRequest, context: Editor) -> Response:
    """Assign the oldest open exception without an owner to the caller. No two users get the same exception."""
    parameters = ExceptionsParameters(company=body.company, queue=body.queue)
    scope = context.scope_of(ScopeChoice(body.company))
    row = exception_actions.claim_next(context, parameters.to_filter(scope))
    return JSONResponse({"exception": row and _exception_json(row)})


@router.post("/exceptions/{exception_id}/assign", responses=success_response(AssignResult))
def assign(exception_id: RowId, body: AssignRequest, context: Editor) -> Response:
    """Change the owner of an open exception."""
    row = exception_actions.assign(context, Assignment(exception_id, body.owner or None, body.seen_owner))
    return JSONResponse({"payment": row.payment, "owner": body.owner or None})


@router.post("/exceptions/{exception_id}/undo", responses=success_response(UndoResult))
def undo(exception_id: RowId, body: UndoRequestBody, context: Editor) -> Response:
    """Undo the decision on an exception, and reopen the exception. New entries reverse the entries of an acceptance."""
    request = UndoRequest(exception_id, body.reason, deposit_date=body.deposit_date)
    undone = exception_actions.undo(context, request)
    posted = [
        {"amount": f"{amount:.2f}", "method": each.method, "charge_type": each.charge_type}
        | {"deposit_date": each.deposit_date.isoformat()}
        for amount, each in undone.postings
    ]
    return JSONResponse({"payment": undone.payment, "posted": posted, "before": undone.was_undone_before})


@router.post("/exceptions/{exception_id}/note", responses=success_response(NoteResult))
def add_exception_note(exception_id: RowId, body: NoteBody, context: Viewer) -> Response:
    """Add an internal note to an exception."""
    return _note_json(exception_actions.add_note(context, exception_id, body.text))


@router.get("/notes", responses=success_response(Rows))
def list_notes(
    query: Annotated[ReportQuery[NotesParameters], Depends(report_query(NotesParameters, is_paged=False))],
    context: Viewer,
) -> Response:
    """Return the internal notes on a payment and its exceptions, or on the account of a patient."""
    about = query.parameters
    with context.transaction() as tx:
        notes = note_actions.list_notes(tx, context, about)
        context.audit(tx, "viewed notes", about.payment or about.patient or "", "API")
    return rows_response(note_records(notes), NOTES)


@router.post("/notes", responses=success_response(NoteResult))
def add_note(body: SubjectNoteBody, context: Viewer) -> Response:
    """Add an internal note to a payment or to the account of a patient."""
    about = NotesParameters(payment=body.payment, patient=body.patient, company=body.company)
    return _note_json(note_actions.add_note(context, about, body.text))


def _exception_json(row: ExceptionRow) -> dict[str, Any]:
    (record,) = exception_records([row])
    return {key: to_json_value(record[key]) for key in EXCEPTIONS.keys}


def _records_json(records: Iterable[Record]) -> list[dict[str, Any]]:
    return [{key: to_json_value(value) for key, value in record.items()} for record in records]


def _note_json(note: Note) -> Response:
    return JSONResponse({"id": note.id, "written_at": note.written_at.isoformat(), "written_by": note.written_by})
