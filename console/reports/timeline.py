"""The timeline of a payment."""

# ruff: noqa: PLC0415 (a command imports what is heavy when it runs, so that `payments --help` answers immediately)

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from console.reports.definition import Column, ColumnKind, Report
from console.reports.output import Record
from console.reports.parameters import company, parameter

if TYPE_CHECKING:
    from payments.journeys.reporting import TimelineRow


@dataclass(frozen=True, kw_only=True)
class TimelineParameters:
    """The payment of a timeline, by its printed key."""

    payment: str = parameter(
        "Payment",
        "clinic/payment/line, as the Claims Feed prints it.",
        option="",
        metavar="KEY",
        required=True,
        size=32,
    )
    company: str | None = company()


TIMELINE = Report(
    title="Timeline",
    columns=(
        Column("at", "Time", ColumnKind.MOMENT),
        Column("what", "Event", wraps=True),
        Column("version", "Version", ColumnKind.COUNT, from_width=100),
        Column("detail", "Detail", wraps=True, css_class="why"),
        Column("who", "User", from_width=120, wraps=True),
        Column("duration_ms", "Processing time (ms)", ColumnKind.COUNT, from_width=120),
        Column("error", "Error"),
        Column("company", "Company"),
        Column("patient_name", "Name"),
        Column("task", "Task"),
        Column("exception", "Exception", ColumnKind.COUNT),
        Column("refused_event", "Refused event", ColumnKind.COUNT),
        Column("worker", "Worker"),
    ),
    table=("at", "what", "version", "detail", "who", "duration_ms"),
    noun="event",
    empty="No events yet.",
    parameters=TimelineParameters,
)


def timeline_report(payment: str, patient_name: str | None) -> Report:
    """Return the definition of one payment's timeline. The title names the payment and the patient."""
    of_patient = f", {patient_name}" if patient_name else ""
    return replace(TIMELINE, title=f"Timeline of {payment}{of_patient}")


def timeline_records(rows: Iterable[TimelineRow]) -> list[Record]:
    """Return the events of a timeline as records.

    `detail` includes the error, because some programs do not read the key `error`.
    """
    records = (event_record(row) for row in rows)
    return [each | {"detail": ": ".join(filter(None, (each["detail"].rstrip("."), each["error"])))} for each in records]


def event_record(row: TimelineRow) -> dict[str, Any]:
    """Return a history event as a record. Codes are rendered as words."""
    from payments import wording

    return {
        "at": row.at,
        "what": wording.history(row.code),
        "version": row.version,
        "detail": wording.history_detail(row.code, row.params, row.detail),
        "who": wording.actor(row.who),
        "duration_ms": row.duration_ms,
        "error": row.error,
        "company": row.company,
        "patient_name": row.patient_name,
        "task": row.task,
        "exception": row.exception,
        "refused_event": row.dead_letter,
        "worker": wording.worker(row.who),
    }
