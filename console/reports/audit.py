"""The audit history: which user changed, exported or viewed what."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers immediately)

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from console.reports.definition import Column, ColumnKind, Report, SortCost
from console.reports.parameters import ParameterKind, first_day_field, last_day_field, parameter, period, sort_by
from payments.core.sorting import Sort

if TYPE_CHECKING:
    from datetime import date

    from payments.access.audit import AuditRow
    from payments.core.period import Period


def _sort_choices() -> list[Sort]:
    return AUDIT.sorts


class ShownActions(StrEnum):
    """The actions that the audit history shows: changes, accesses or both. Accesses are views, exports and logins."""

    CHANGES = "changes"
    ACCESS = "access"
    ALL = "all"


def _action_choices() -> Iterable[StrEnum]:
    return ShownActions


@dataclass(frozen=True, kw_only=True)
class AuditParameters:
    """Filters of the audit history. Days are in the time zone of the reader's company."""

    show: ShownActions = parameter(
        "Show",
        "Changes only, or also what was viewed and exported, and who logged in.",
        ParameterKind.CHOICE,
        choices=_action_choices,
        default=ShownActions.CHANGES,
    )

    who: str | None = parameter("User", "A user's name, or a service.")
    action: str | None = parameter("Action", "This action only.")
    subject: str | None = parameter(
        "Payment, patient, clinic or user",
        "The payment, patient, clinic or user that the action concerned.",
        size=20,
        is_search=True,
    )
    since: date | None = first_day_field()
    until: date | None = last_day_field()
    period: Period | None = period()
    sort: StrEnum | None = sort_by(_sort_choices)


AUDIT = Report(
    title="Audit history",
    columns=(
        Column("id", "No.", ColumnKind.COUNT),
        Column("at", "Time", ColumnKind.MOMENT, sort=SortCost.INDEX),
        Column("who", "User", sort=SortCost.ROWS),
        Column("action", "Action", sort=SortCost.ROWS),
        Column("subject", "Subject", css_class="key", sort=SortCost.ROWS),
        Column("detail", "Detail", css_class="why"),
        Column("address", "IP address", sort=SortCost.ROWS),
    ),
    table=("at", "who", "action", "subject", "detail", "address"),
    noun="entry",
    empty="No matching entries.",
    parameters=AuditParameters,
    order=Sort("at", is_descending=True),
)


def audit_record(row: AuditRow) -> dict[str, Any]:
    """Return an audit entry as a record. Actions and changes are rendered as words."""
    from payments import audit_wording

    words = {"action": audit_wording.action(row.action), "detail": audit_wording.detail(row.action, row.detail)}
    return row._asdict() | words
