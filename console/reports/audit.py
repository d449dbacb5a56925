"""The audit history: who did, exported or viewed what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report
from console.reports.parameters import first_day, last_day, parameter

if TYPE_CHECKING:
    from datetime import date


@dataclass(frozen=True, kw_only=True)
class AuditParameters:
    """Filters of the audit history. Days begin in the time zone of the user who reads the report."""

    who: str | None = parameter("User", "A user's name, or a service.")
    action: str | None = parameter("Action", "This action only.")
    subject: str | None = parameter(
        "Payment, patient, clinic or user",
        "The payment, patient, clinic or user that the action concerned.",
        size=20,
        is_search=True,
    )
    since: date | None = first_day()
    until: date | None = last_day()


AUDIT = Report(
    title="Audit history",
    columns=(
        Column("id", "No.", ColumnKind.COUNT),
        Column("at", "Time", ColumnKind.MOMENT),
        Column("who", "User"),
        Column("action", "Action"),
        Column("subject", "Subject", css_class="key"),
        Column("detail", "Detail", css_class="why"),
        Column("address", "IP address"),
    ),
    table=("at", "who", "action", "subject", "detail", "address"),
    noun="entry",
    empty="No matching entries.",
    parameters=AuditParameters,
)
