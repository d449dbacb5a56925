"""The report of the manual entries of a patient's account."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report
from console.reports.output import Record
from console.reports.parameters import company, parameter

if TYPE_CHECKING:
    from payments.journeys.manual_entries import PostedEntry


@dataclass(frozen=True, kw_only=True)
class ManualEntriesParameters:
    """The patient whose manual entries are shown, and the company."""

    patient: str = parameter("Patient", "The patient's id.", metavar="PATIENT", required=True, size=20, is_search=True)
    company: str | None = company()


MANUAL_ENTRIES = Report(
    title="Manual entries",
    columns=(
        Column("id", "Entry", ColumnKind.COUNT, css_class="key"),
        Column("company", "Company"),
        Column("clinic", "Clinic"),
        Column("patient", "Patient", wraps=True),
        Column("purpose", "Purpose"),
        Column("amount", "Amount", ColumnKind.MONEY),
        Column("method", "Method"),
        Column("charge_type", "Charge type", from_width=120),
        Column("deposit_date", "Deposit date", ColumnKind.DATE),
        Column("reference", "Reference", from_width=140),
        Column("reason", "Reason", wraps=True, css_class="why"),
        Column("user", "User", from_width=100),
        Column("posted_at", "Posted", ColumnKind.MOMENT, from_width=160),
        Column("payment", "Payment", wraps=True, css_class="pay"),
        Column("reverses", "Reverses", ColumnKind.COUNT),
        Column("reversed_by", "Reversed by", ColumnKind.COUNT),
    ),
    table=("id", "purpose", "method", "deposit_date", "reason", "user", "payment", "reverses", "reversed_by", "amount"),
    page=("id", "purpose", "method", "deposit_date", "reason", "user", "payment", "reverses", "reversed_by", "amount"),
    noun="entry",
    empty="No manual entries.",
    total_of="amount",
    parameters=ManualEntriesParameters,
)


def manual_entry_records(rows: Iterable[PostedEntry]) -> list[Record]:
    """Return manual entries as records."""
    return [_record(row) for row in rows]


def _record(row: PostedEntry) -> Record:
    entry, content = row.entry, row.entry.content
    return {
        "id": entry.id,
        "company": content.company_id,
        "clinic": content.clinic_id,
        "patient": content.patient_id,
        "purpose": content.purpose.value,
        "amount": content.amount,
        "method": content.method.value,
        "charge_type": content.charge_type.value,
        "deposit_date": content.deposit_date,
        "reference": content.reference,
        "reason": content.reason or None,
        "user": entry.entered_by,
        "posted_at": entry.posted_at,
        "payment": row.payment,
        "reverses": entry.reverses,
        "reversed_by": entry.reversed_by,
    }
