"""The page of one Billing Exception: its history, and the actions of a biller."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Form, Response
from pydantic import Field

from console.reports.exception_life import ENTRIES, EVENTS, entry_records, life_records
from console.web import exception_actions
from console.web.auth import Editor, Viewer
from console.web.context import RequestContext
from console.web.errors import capitalized
from console.web.exception_rows import address_keeping_row, row_values
from console.web.filters import Day, Moment, RowId, Text
from console.web.forms import ReturnForm
from console.web.history_amounts import with_dollars
from payments import exception_wording
from payments.core.finding import DecisionError
from payments.journeys import noting, reporting
from payments.journeys.adjusting import SeenException
from payments.journeys.assigning import Assignment
from payments.journeys.undoing import UndoRequest

router = APIRouter(include_in_schema=False)

_Reason = Annotated[str, Field(max_length=500)]


class _AcceptForm(ReturnForm):
    version: RowId
    deposit_date: Day | None = None


class _AcknowledgeForm(ReturnForm):
    version: RowId
    reason: _Reason = ""


class _UndoForm(ReturnForm):
    decided_at: Moment | None = None
    reason: _Reason = ""


class _AssignForm(ReturnForm):
    owner: Text = ""
    seen_owner: Text = ""


class _NoteForm(ReturnForm):
    text: Annotated[str, Field(max_length=noting.NOTE_CHARACTERS_MAX)] = ""


@router.get("/exceptions/{exception_id:row}")
def show(exception_id: RowId, context: Viewer) -> Response:
    """Show one exception with its events, its entries and the notes on its payment."""
    with context.snapshot_transaction() as tx:
        row = exception_actions.visible_exception(tx, context, exception_id)
        life = reporting.exception_life(tx, row)
        subject = noting.exception_subject(tx, exception_id, context.user.scope)
        notes = noting.list_notes(tx, [subject] if subject else [])
        values = row_values(tx, context, [row], context.request.url.path)
        context.audit(tx, "viewed exception", row.payment, str(exception_id), row.company)
    return context.page(
        "exception.html",
        row=row,
        events_report=EVENTS,
        events=life_records(with_dollars(life.events)),
        entries_report=ENTRIES,
        entries=entry_records(life.entries),
        notes=notes,
        **values,
    )


@router.post("/exceptions/{exception_id}/accept")
def accept(exception_id: RowId, form: Annotated[_AcceptForm, Form()], context: Editor) -> Response:
    """Accept one exception: post the entries that the page showed."""

    def act() -> str:
        seen = SeenException(finding_id=exception_id, version=form.version)
        accepted = exception_actions.accept_if_unchanged(context, seen, form.deposit_date)
        return exception_wording.sentence(exception_id, accepted.payment, exception_wording.acceptance_result(accepted))

    return _act_and_answer(context, exception_id, form, act)


@router.post("/exceptions/{exception_id}/acknowledge")
def acknowledge(exception_id: RowId, form: Annotated[_AcknowledgeForm, Form()], context: Editor) -> Response:
    """Acknowledge one exception: close it without posting anything."""

    def act() -> str:
        seen = SeenException(finding_id=exception_id, version=form.version)
        payment = exception_actions.acknowledge_if_unchanged(context, seen, form.reason)
        return exception_wording.sentence(exception_id, payment, exception_wording.ACKNOWLEDGED_RESULT)

    return _act_and_answer(context, exception_id, form, act)


@router.post("/exceptions/{exception_id}/undo")
def undo(exception_id: RowId, form: Annotated[_UndoForm, Form()], context: Editor) -> Response:
    """Undo the decision that the page showed, and reopen the exception."""

    def act() -> str:
        undone = exception_actions.undo(context, UndoRequest(exception_id, form.reason, form.decided_at))
        return exception_wording.sentence(exception_id, undone.payment, exception_wording.undo_result(undone))

    return _act_and_answer(context, exception_id, form, act)


@router.post("/exceptions/{exception_id}/assign")
def assign(exception_id: RowId, form: Annotated[_AssignForm, Form()], context: Editor) -> Response:
    """Change the owner of an exception.

    The change is refused if another user changed the owner since the page was shown.
    """

    def act() -> str:
        row = exception_actions.assign(context, Assignment(exception_id, form.owner or None, form.seen_owner))
        return exception_wording.sentence(exception_id, row.payment, exception_wording.assignment_result(form.owner))

    return _act_and_answer(context, exception_id, form, act)


@router.post("/exceptions/{exception_id}/note")
def add_note(exception_id: RowId, form: Annotated[_NoteForm, Form()], context: Viewer) -> Response:
    """Add an internal note to an exception."""
    exception_actions.add_note(context, exception_id, form.text)
    return context.redirect(_return_address(form, exception_id), "Note added.")


def _act_and_answer(context: RequestContext, exception_id: int, form: ReturnForm, act: Callable[[], str]) -> Response:
    """Perform an action on an exception. Send a script the exception's new row, and redirect other clients.

    `act` performs the action, and returns the message about it.
    """
    if context.request.headers.get("hx-request") != "true":
        message = act()
        return context.redirect(address_keeping_row(_return_address(form, exception_id), exception_id), message)
    try:
        message, problem = act(), ""
    except DecisionError as error:
        message, problem = "", capitalized(f"{error}.")
    with context.transaction() as tx:
        row = exception_actions.visible_exception(tx, context, exception_id)
        values = row_values(tx, context, [row], _return_address(form, exception_id))
    return context.page("exception_row.html", row=row, done=message, problem=problem, **values)


def _return_address(form: ReturnForm, exception_id: int) -> str:
    return form.return_to("/exceptions", f"/exceptions/{exception_id}")
