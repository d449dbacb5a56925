"""Companies, clinics and patients that are unconfirmed, and companies and clinics that are retired."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report, SortCost
from console.reports.output import Record, Value

if TYPE_CHECKING:
    from payments.journeys.confirming import UnconfirmedRow


def _state_text(record: Record) -> Value:
    retired_by = record["retired_by"]
    return f"retired by {retired_by}" if retired_by else "not confirmed"


UNCONFIRMED = Report(
    title="Unconfirmed ids",
    columns=(
        Column("kind", "Kind", sort=SortCost.ROWS),
        Column("company", "Company", wraps=True, sort=SortCost.ROWS),
        Column("id", "Id", wraps=True, sort=SortCost.ROWS),
        Column("payments", "Payments", ColumnKind.COUNT, sort=SortCost.ROWS),
        Column("entries", "Ledger entries", ColumnKind.COUNT, sort=SortCost.ROWS),
        Column("open_payments", "Pending", ColumnKind.COUNT, sort=SortCost.ROWS),
        Column("charges", "Charges", ColumnKind.COUNT, sort=SortCost.ROWS),
        Column("exceptions", "Exceptions", ColumnKind.COUNT, sort=SortCost.ROWS),
        Column("retired_by", "State", text=_state_text, sort=SortCost.ROWS),
    ),
    table=("kind", "company", "id", "payments", "entries", "open_payments", "charges", "exceptions", "retired_by"),
    noun="id",
    empty="No unconfirmed ids.",
)


def unconfirmed_records(rows: Iterable[UnconfirmedRow]) -> list[Record]:
    """Return companies, clinics and patients as records."""
    return [row._asdict() for row in rows]
