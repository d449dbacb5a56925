"""Add internal notes to a payment or to a patient's account, from their pages."""

from typing import Annotated

from fastapi import APIRouter, Form, Response
from pydantic import Field

from console.reports.notes import NotesParameters
from console.web import note_actions
from console.web.auth import Viewer
from console.web.filters import Text
from console.web.forms import ReturnForm
from payments.journeys import noting

router = APIRouter(include_in_schema=False)


class _NoteForm(ReturnForm):
    payment: Text | None = None
    patient: Text | None = None
    company: Text | None = None
    text: Annotated[str, Field(max_length=noting.NOTE_CHARACTERS_MAX)] = ""


@router.post("/notes")
def add(form: Annotated[_NoteForm, Form()], context: Viewer) -> Response:
    """Add a note to the payment or account that the form names."""
    about = NotesParameters(payment=form.payment, patient=form.patient, company=form.company)
    note_actions.add_note(context, about, form.text)
    return context.redirect(form.return_to("/timeline", "/account"), "Note added.")
