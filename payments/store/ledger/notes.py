"""Internal notes of users on payments, exceptions and accounts. Rows are only inserted."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from payments.contract.keys import LineKey
from payments.store.db.bulk import column_arrays, unnest_item
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.tables import lines


class NoteSubject(NamedTuple):
    """The subject of a note, in one company: a line (its row id), an exception of the line, or a patient's account."""

    company_id: str
    line_ref: int | None = None
    finding_ref: int | None = None
    patient_id: str | None = None


class Note(NamedTuple):
    """A note as it is stored. `exception` is the row id of the exception that the note is about, if any."""

    id: int
    company: str
    body: str
    written_at: datetime
    written_by: str
    exception: int | None


def add(tx: Transaction, subject: NoteSubject, body: str, now: datetime, who: str) -> int:
    """Insert a note, and return its id."""
    added = tx.execute(
        text(
            "INSERT INTO notes (company_id, line_ref, finding_ref, patient_id, body, written_at, written_by) "
            "VALUES (:company_id, :line_ref, :finding_ref, :patient_id, :body, :now, :who) RETURNING id"
        ),
        subject._asdict() | {"body": body, "now": now, "who": who},
    )
    return int(added.scalar_one())


def list_notes(tx: Transaction, subject: NoteSubject) -> list[Note]:
    """Return the notes on a line (including notes on its exceptions) or on an account, oldest first."""
    column = "line_ref" if subject.line_ref is not None else "patient_id"
    found = tx.execute(
        text(
            "SELECT id, company_id AS company, body, written_at, written_by, finding_ref AS exception FROM notes "
            f"WHERE company_id = :company_id AND {column} = :{column} ORDER BY id"
        ),
        subject._asdict(),
    )
    return [Note(**row) for row in found.mappings()]


def line_subjects(tx: Transaction, keys: Iterable[LineKey]) -> list[NoteSubject]:
    """Return the lines with these keys as subjects of notes. Unknown keys are omitted."""
    columns, rows = list(LineKey._fields), [key._asdict() for key in keys]
    query = f"SELECT company_id, id FROM lines JOIN {unnest_item(lines, columns)} USING ({', '.join(columns)})"
    found = tx.execute(text(query), column_arrays(rows, columns)) if rows else ()
    return [NoteSubject(company_id, line_ref=row_id) for company_id, row_id in found]
