"""The settings of clinics. They determine which payments are sent to Billing."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers immediately)

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report, SortCost
from console.reports.output import Record, Value

if TYPE_CHECKING:
    from payments.contract.keys import ClinicKey
    from payments.journeys.configuring import ClinicRow, SettingsRow


def _types_in_short(record: Record) -> Value:
    """Return the charge types as text for a narrow table.

    The text is `all`, `all but` with one or two missing types, or the selected types.
    """
    from payments.contract.event import ChargeType

    types = record["types"]
    selected = types if isinstance(types, list) else []
    missing = [kind for kind in ChargeType if kind not in selected]
    if not missing:
        return "all"
    return f"all but {', '.join(missing)}" if len(missing) <= 2 else ", ".join(map(str, selected)) or "none"


SETTINGS = Report(
    title="Clinic settings",
    columns=(
        Column("clinic", "Clinic", wraps=True, sort=SortCost.ROWS),
        Column("company", "Company", wraps=True, sort=SortCost.ROWS),
        Column("integration", "Integration", sort=SortCost.ROWS),
        Column("types", "Charge types", wraps=True, text=_types_in_short),
    ),
    table=("clinic", "company", "integration", "types"),
    noun="clinic",
    empty="No clinics yet. A clinic appears with its first payment or charge, or with `payments settings set`.",
)


SETTINGS_HISTORY = Report(
    title="Settings of a clinic since it was added",
    columns=(
        Column("since", "Effective from", ColumnKind.MOMENT),
        Column("integration", "Integration"),
        Column("types", "Charge types", wraps=True, text=_types_in_short),
        Column("set_by", "Changed by"),
        Column("clinic", "Clinic", wraps=True),
        Column("company", "Company", wraps=True),
    ),
    table=("since", "integration", "types", "set_by"),
    noun="change",
    empty="No settings yet. No payments of this clinic are sent to Billing.",
)


def settings_history_records(clinic: ClinicKey, rows: Iterable[SettingsRow]) -> list[Record]:
    """Return the present and earlier settings of a clinic as records."""
    return [
        {
            "since": row.since,
            "integration": "on" if row.integration else "off",
            "types": row.charge_types,
            "set_by": row.set_by,
            "clinic": clinic.clinic_id,
            "company": clinic.company_id,
        }
        for row in rows
    ]


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
