"""Companies and the settings that apply to all of their clinics."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report
from console.reports.output import Record

if TYPE_CHECKING:
    from payments.journeys.configuring import CompanyRow

COMPANIES = Report(
    title="Companies",
    columns=(
        Column("company", "Company", wraps=True),
        Column("timezone", "Time zone"),
        Column("hold_days", "Minimum hold (days)", ColumnKind.COUNT),
        Column("dos_first", "Apply to own date of service first"),
        Column("adjustments", "Adjustment policy"),
        Column("exception_days", "Exceptions due (business days)", ColumnKind.COUNT, from_width=160),
        Column("refund_limit", "Refunds without approval up to", ColumnKind.MONEY, from_width=180),
    ),
    table=("company", "timezone", "hold_days", "dos_first", "adjustments", "exception_days", "refund_limit"),
    noun="company",
    empty="No companies yet. A company appears with its first event, or with `payments settings set`.",
)


def company_records(rows: Iterable[CompanyRow]) -> list[Record]:
    """Return companies as records."""
    return [{key: value for key, value in row._asdict().items() if key in COMPANIES.keys} for row in rows]
