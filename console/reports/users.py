"""The users of the console."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report, SortCost
from console.reports.output import Record, Value

if TYPE_CHECKING:
    from payments.access.authentication import UserRow


def _companies_in_short(record: Record) -> Value:
    return "all" if record["companies"] is None else record["companies"] or "none (choose companies)"


def _clinics_in_short(record: Record) -> Value:
    return "all" if record["clinics"] is None else record["clinics"]


def _state_text(record: Record) -> Value:
    disabled_at = record["disabled_at"]
    return f"disabled {disabled_at:%Y-%m-%d %H:%M} UTC" if isinstance(disabled_at, datetime) else "active"


USERS = Report(
    title="Users of the console",
    columns=(
        Column("name", "Name", wraps=True, sort=SortCost.ROWS),
        Column("role", "Role", sort=SortCost.ROWS),
        Column("companies", "Companies", wraps=True, text=_companies_in_short, sort=SortCost.ROWS),
        Column("clinics", "Clinics", wraps=True, text=_clinics_in_short, sort=SortCost.ROWS),
        Column("added_at", "Added", ColumnKind.MOMENT, from_width=120, sort=SortCost.ROWS),
        Column("added_by", "Added by", sort=SortCost.ROWS),
        Column("disabled_at", "State", text=_state_text, sort=SortCost.ROWS),
    ),
    table=("name", "role", "companies", "clinics", "added_at", "disabled_at"),
    page=("name", "role", "companies", "clinics", "added_at", "added_by", "disabled_at"),
    noun="user",
    empty="No users yet; `payments users add NAME --role admin` adds the first one.",
)


def user_records(rows: Iterable[UserRow]) -> list[Record]:
    """Return users as records.

    `companies` is None for a user of all companies. `clinics` is None for a user of all clinics of these companies.
    """
    return [
        {
            "name": row.user.name,
            "role": row.user.role,
            "companies": None if row.user.scope.companies is None else sorted(row.user.scope.companies),
            "clinics": row.user.scope.qualified_clinic_ids,
            "added_at": row.added_at,
            "added_by": row.added_by,
            "disabled_at": row.disabled_at,
        }
        for row in rows
    ]
