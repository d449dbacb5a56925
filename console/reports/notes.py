"""Internal notes on payments, exceptions and accounts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report
from console.reports.output import Record
from console.reports.parameters import company, parameter

if TYPE_CHECKING:
    from payments.journeys.noting import Note


@dataclass(frozen=True, kw_only=True)
class NotesParameters:
    """The subject of notes: a payment, by its printed key, or the account of a patient."""

    payment: str | None = parameter(
        "Payment", "Notes on this payment, clinic/payment/line, and on its exceptions.", metavar="KEY", size=32
    )
    patient: str | None = parameter("Patient", "Notes on the account of this patient.", metavar="PATIENT", size=20)
    company: str | None = company()


NOTES = Report(
    title="Notes",
    columns=(
        Column("id", "No.", ColumnKind.COUNT),
        Column("body", "Note", wraps=True, css_class="why"),
        Column("written_at", "Time", ColumnKind.MOMENT),
        Column("written_by", "User", from_width=100),
        Column("exception", "Exception", ColumnKind.COUNT, from_width=120),
        Column("company", "Company"),
    ),
    table=("id", "body", "written_at", "written_by", "exception"),
    noun="note",
    empty="No notes yet.",
    parameters=NotesParameters,
)


def note_records(rows: Iterable[Note]) -> list[Record]:
    """Return notes as records."""
    return [row._asdict() for row in rows]
