"""A refused event: the data that could be read from it, and its bytes as text."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, NamedTuple

from console.reports.definition import Column, ColumnKind, Report
from console.reports.output import Record

if TYPE_CHECKING:
    from payments.journeys.refused_events import RefusedEventRow

REFUSED_EVENT = Report(
    title="Refused event",
    columns=(
        Column("id", "Refused event", ColumnKind.COUNT),
        Column("key", "Key"),
        Column("payment", "Payment"),
        Column("company", "Company"),
        Column("clinic", "Clinic"),
        Column("patient", "Patient"),
        Column("event_type", "Type of event"),
        Column("version", "Version", ColumnKind.COUNT),
        Column("saved_at", "Saved in the EMR", ColumnKind.MOMENT),
        Column("status", "Transmission"),
        Column("reason", "Reason"),
        Column("error", "Error"),
        Column("field", "Field"),
        Column("received_at", "Received", ColumnKind.MOMENT),
        Column("attempts", "Attempts", ColumnKind.COUNT),
        Column("is_open", "Open"),
        Column("entry_id", "Stream entry"),
        Column("byte_count", "Bytes", ColumnKind.COUNT),
        Column("sha256", "SHA-256"),
        Column("is_whole", "Whole"),
        Column("body", "Event"),
        Column("body_base64", "Event in Base64"),
    ),
    table=("entry_id", "byte_count", "sha256"),
    noun="event",
    empty="No event has this number.",
)
_FIELD_PATTERN = re.compile(r"([a-z_]+): ")


class EventText(NamedTuple):
    """The text of an event, divided into three parts.

    `wrong` is the key of the wrong field. It is empty if the text does not contain this key.
    """

    before: str
    wrong: str
    after: str


def refused_event_record(event: RefusedEventRow) -> Record:
    """Return a refused event as a record.

    `body` is the event's text, or None if its bytes are not UTF-8. `body_base64` holds all bytes.
    """
    try:
        body = event.body.decode()
    except UnicodeDecodeError:
        body = None
    return event._asdict() | {
        "field": wrong_field(event),
        "is_whole": event.is_whole,
        "body": body,
        "body_base64": base64.b64encode(event.body).decode(),
    }


def wrong_field(event: RefusedEventRow) -> str | None:
    """Return the field that the error names, or None if the event was refused for another reason than a wrong field."""
    from payments.core.outcome import Reason  # noqa: PLC0415 (so that `payments --help` answers immediately)

    found = _FIELD_PATTERN.match(event.error) if event.reason == Reason.INVALID_EVENT else None
    return found[1] if found else None


def event_text(event: RefusedEventRow) -> EventText:
    """Return the text of an event. Escapes replace invisible characters and bytes that are not UTF-8."""
    whole = "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in event.body.decode(errors="backslashreplace")
    )
    field = wrong_field(event)
    found = re.search(rf'"{field}"(?=\s*:)', whole) if field else None
    return EventText(whole[: found.start()], found[0], whole[found.end() :]) if found else EventText(whole, "", "")
