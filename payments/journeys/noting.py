"""Internal notes on a payment, on one of its exceptions, or on a patient's account."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from payments.access import audit
from payments.access.audit import AuditEntry
from payments.core.ambiguity import AmbiguousIdError
from payments.core.scope import Scope
from payments.store.db.connection import Transaction
from payments.store.feed import printed_keys
from payments.store.ledger import company_moves, findings, notes
from payments.store.ledger.notes import Note, NoteSubject
from payments.store.reports import account as account_report
from payments.store.reports import exceptions as exception_report

__all__ = ["Note", "NoteSubject"]

NOTE_CHARACTERS_MAX = 2000


class NoteError(ValueError):
    """The note cannot be added: it is blank or too long, or its company has moved to another installation."""


class NewNote(NamedTuple):
    """A note to add. `about` is the printed key of the payment or the id of the patient, for the audit history.

    `address` is the user's IP address, empty for a note that a command adds.
    """

    subject: NoteSubject
    body: str
    about: str
    address: str = ""


def add_note(tx: Transaction, note: NewNote, now: datetime, who: str) -> Note:
    """Add a note, and an audit entry without the note's text. Raises NoteError if the note cannot be added."""
    subject, body = note.subject, note.body.strip()
    if not body:
        raise NoteError("the note is empty")
    if len(body) > NOTE_CHARACTERS_MAX:
        raise NoteError(f"the note has {len(body):,} characters; at most {NOTE_CHARACTERS_MAX:,} are allowed")
    if not company_moves.has_not_moved(tx, subject.company_id):
        raise NoteError(f"company {subject.company_id} has moved to another installation; nothing was changed")
    note_id = notes.add(tx, subject, body, now, who)
    detail = f"exception {subject.finding_ref}" if subject.finding_ref else ""
    audit.add(tx, AuditEntry(now, who, "added note", note.about, detail, note.address, subject.company_id))
    return Note(note_id, subject.company_id, body, now, who, subject.finding_ref)


def list_notes(tx: Transaction, subjects: Iterable[NoteSubject]) -> list[Note]:
    """Return the notes on these subjects, oldest first. Notes on a payment include the notes on its exceptions."""
    found = {note.id: note for subject in subjects for note in notes.list_notes(tx, subject)}
    return [found[note_id] for note_id in sorted(found)]


def exception_subject(tx: Transaction, finding_id: int, scope: Scope) -> NoteSubject | None:
    """Return an exception as the subject of a note, or None if the scope has no exception with this id."""
    row = exception_report.read_one(tx, finding_id, scope)
    found = findings.load(tx, [finding_id]).get(finding_id)
    return NoteSubject(row.company, line_ref=found.line_ref, finding_ref=finding_id) if row and found else None


def payment_subjects(tx: Transaction, key: str, scope: Scope) -> list[NoteSubject]:
    """Return the payment with this printed key as the only subject of notes. Return nothing for an unknown key.

    Raises AmbiguousIdError if several companies of the scope have the key.
    """
    return notes.line_subjects(tx, printed_keys.find(tx, [key], scope)[key].keys)


def account_subjects(tx: Transaction, patient_id: str, scope: Scope) -> list[NoteSubject]:
    """Return a patient's accounts as subjects of notes: one for each company of the scope that has the patient."""
    accounts = account_report.summaries(tx, patient_id, scope)
    return [NoteSubject(each.company, patient_id=each.patient) for each in accounts]


def only_subject(found: Iterable[NoteSubject], named: str) -> NoteSubject | None:
    """Return the single subject in `found`, or None if there is none. Raises AmbiguousIdError if there are several.

    `named` is the kind and the id for the error message, such as `patient 17`.
    """
    subjects = list(found)
    if len(subjects) > 1:
        raise AmbiguousIdError(named, [each.company_id for each in subjects])
    return subjects[0] if subjects else None
