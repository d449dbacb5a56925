"""The history of one Billing Exception: its events and its entries."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers immediately)

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from console.reports.definition import Column, ColumnKind, Report
from console.reports.output import Record

if TYPE_CHECKING:
    from payments.journeys.reporting import DecisionEntry, LifeEvent

EVENTS = Report(
    title="History",
    columns=(
        Column("at", "Time", ColumnKind.MOMENT),
        Column("what", "Event", wraps=True),
        Column("version", "Version", ColumnKind.COUNT),
        Column("detail", "Detail", wraps=True, css_class="why"),
        Column("who", "User", wraps=True),
        Column("worker", "Worker"),
    ),
    table=("at", "what", "version", "detail", "who"),
    noun="event",
    empty="No events yet.",
)
ENTRIES = Report(
    title="Entries",
    columns=(
        Column("id", "Entry", ColumnKind.COUNT),
        Column("amount", "Amount", ColumnKind.MONEY),
        Column("method", "Method"),
        Column("charge_type", "Charge type"),
        Column("deposit_date", "Deposit date", ColumnKind.DATE),
        Column("posting_date", "Posting date", ColumnKind.DATE),
        Column("entered_by", "User", wraps=True),
        Column("reverses", "Reverses entry", ColumnKind.COUNT),
        Column("reason", "Reason", wraps=True, css_class="why"),
        Column("patient", "Patient"),
        Column("posted_at", "Posted", ColumnKind.MOMENT),
    ),
    table=("id", "amount", "method", "charge_type", "deposit_date", "entered_by", "reverses", "reason"),
    noun="entry",
    empty="No entries were posted.",
)


def life_records(rows: Iterable[LifeEvent]) -> list[Record]:
    """Return the events of an exception as records. Codes are rendered as words."""
    from payments import wording

    return [
        {
            "at": row.at,
            "what": wording.history(row.code),
            "version": row.version,
            "detail": wording.history_detail(row.code, row.params, row.detail),
            "who": wording.actor(row.who),
            "worker": wording.worker(row.who),
        }
        for row in rows
    ]


def entry_records(rows: Iterable[DecisionEntry]) -> list[Record]:
    """Return the entries of an exception as records."""
    return [row._asdict() for row in rows]
