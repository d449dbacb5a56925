"""The models of request and response bodies of the API, for the work queue of exceptions and for notes."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field

from console.reports.exceptions import QueueChoice
from console.web.filters import STORABLE_PATTERN, Day, Storable, Text
from console.web.schemas import Body, PostedEntry
from payments.journeys.noting import NOTE_CHARACTERS_MAX


class UndoRequestBody(Body):
    """The reason why the decision is undone, and the deposit date of the reversing entries.

    By default, the deposit date is that of the reversed entries, or today if that month is closed.
    """

    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=STORABLE_PATTERN), Storable]
    deposit_date: Day | None = None


class UndoResult(BaseModel):
    """The payment of an exception that is open again, and the reversing entries.

    `before` is true if an earlier call undid the decision.
    """

    payment: str
    posted: list[PostedEntry]
    before: bool


class AssignRequest(Body):
    """The new owner of an exception: a user's name, or null for nobody.

    `seen_owner` is the owner that the caller has seen. An empty text means that there was none. If the owner has
    changed since then, the request fails. Without `seen_owner` nothing is compared.
    """

    owner: Text | None
    seen_owner: Text | None = None


class AssignResult(BaseModel):
    """The payment of an exception, and its owner."""

    payment: str
    owner: str | None


class NextRequest(Body):
    """The company and the queue from which the caller gets the next exception. Both are optional."""

    company: Text | None = None
    queue: QueueChoice | None = None


class NextResult(BaseModel):
    """The exception that now belongs to the caller, or null if no exception is left."""

    exception: dict[str, Any] | None


class ExceptionLife(BaseModel):
    """An exception with its events, the entries that decisions on it posted, and the notes on its payment."""

    exception: dict[str, Any]
    events: list[dict[str, Any]]
    entries: list[dict[str, Any]]
    notes: list[dict[str, Any]]


class NoteBody(Body):
    """The text of a note on an exception."""

    text: Annotated[str, Field(min_length=1, max_length=NOTE_CHARACTERS_MAX, pattern=STORABLE_PATTERN), Storable]


class SubjectNoteBody(NoteBody):
    """The text of a note on a payment, by its printed key, or on the account of a patient.

    `company` is needed if several companies have the payment or the patient.
    """

    payment: Text | None = None
    patient: Text | None = None
    company: Text | None = None


class NoteResult(BaseModel):
    """A note that was added."""

    id: int
    written_at: datetime
    written_by: str
