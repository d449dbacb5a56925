"""The state of each component of a running stack."""

from __future__ import annotations

from console.reports.definition import Column, Report
from console.reports.output import Record, Value


def _state(record: Record) -> Value:
    return "up" if record["is_up"] else "down"


HEALTH = Report(
    title="Health",
    columns=(
        Column("name", "Component"),
        Column("is_up", "State", text=_state),
        Column("detail", "Detail", wraps=True),
    ),
    table=("name", "is_up", "detail"),
    noun="component",
    empty="No components found.",
)
