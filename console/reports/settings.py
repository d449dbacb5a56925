"""The settings of clinics, which determine the payments that are sent to Billing."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers immediately)

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from console.reports.definition import Column, Report
from console.reports.output import Record, Value

if TYPE_CHECKING:
    from payments.journeys.configuring import ClinicRow


def _types_in_short(record: Record) -> Value:
    """Return the charge types for a narrow table: `all`, `all but` up to two missing types, or the selected types."""
    from payments.contract.event import ChargeType

    types = record["types"]
    selected = types if isinstance(types, list) else []
    missing = [kind for kind in ChargeType if kind not in selected]
    if not missing:
        return "all"
    return f"all but {', '.join(missing)}" if len(missing) <= 2 else ", ".join(map(str, selected)) or "none"


SETTINGS = Report(
    title="Clinics that send patient payments to Billing",
    columns=(
        Column("clinic", "Clinic", wraps=True),
        Column("company", "Company", wraps=True),
        Column("integration", "Integration"),
        Column("types", "Charge types", wraps=True, text=_types_in_short),
    ),
    table=("clinic", "company", "integration", "types"),
    noun="clinic",
    empty="No clinics yet. A clinic appears with its first payment or charge, or with `payments settings set`.",
)


def settings_records(rows: Iterable[ClinicRow]) -> list[Record]:
    """Return the settings of clinics as records."""
    return [
        {
            "clinic": row.clinic,
            "company": row.company,
            "integration": "on" if row.integration else "off",
            "types": [*map(str, row.types)],
        }
        for row in rows
    ]
