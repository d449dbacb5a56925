"""The result of exporting or importing a company."""

from __future__ import annotations

from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report
from console.reports.output import Record

if TYPE_CHECKING:
    from payments.core.company_move import Manifest

COMPANY_MOVE = Report(
    title="Moved company",
    columns=(
        Column("company", "Company", wraps=True),
        Column("move", "Move id"),
        Column("exported_at", "Exported", ColumnKind.MOMENT),
        Column("rows", "Rows", ColumnKind.COUNT),
        Column("payments", "Payments", ColumnKind.COUNT),
        Column("entries", "Ledger entries", ColumnKind.COUNT),
        Column("total", "Total", ColumnKind.MONEY),
        Column("closed_months", "Closed months", ColumnKind.COUNT),
        Column("state", "State"),
    ),
    table=("company", "exported_at", "rows", "payments", "entries", "total", "closed_months", "state"),
    noun="company",
    empty="No company was moved.",
)


def move_record(manifest: Manifest, state: str) -> Record:
    """Return the counts of an exported or imported company as a record. `state` says what the command did."""
    return {
        "company": manifest.company_id,
        "move": str(manifest.move_id),
        "exported_at": manifest.exported_at,
        "rows": manifest.rows,
        "payments": sum(each.rows for each in manifest.tables if each.table == "lines"),
        "entries": manifest.ledger.entries,
        "total": manifest.ledger.total,
        "closed_months": len(manifest.ledger.closed_months),
        "state": state,
    }
