"""What came from the EMR: which events were seen before, and those that could not be processed, kept whole."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import RowMapping

from payments.contract.errors import EventError
from payments.contract.event import Event, LineKey, read_event
from payments.contract.partial_event import PartialEvent, read_partial_event
from payments.contract.signature import Keyring
from payments.contract.size_limit import EVENT_BYTES_MAX, KEPT_BYTES, BodyDigest
from payments.core.outcome import Reason, Status
from payments.store.db.as_of import changed_at
from payments.store.db.bulk import arrays, insertion, unnested
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.tables import events, set_aside

_SEEN = ["event_id", "saved_month", "content_hash"]
_ASIDE = (
    "body body_hash whole_bytes signature entry_id status reason error received_at attempts saved_on changed_at".split()
    + list(PartialEvent._fields)
)


class StreamEntry(NamedTuple):
    """An entry of the stream: its id, the bytes of its event, how these are signed, and its publisher's trace.

    Of an event that was too large when it came, and is taken up again, the body is the beginning of the `whole`.
    """

    entry_id: str
    body: bytes
    signature: str | None = None
    whole: BodyDigest | None = None
    trace: str | None = None

    @property
    def too_large(self) -> BodyDigest | None:
        """What is known of an event that is not read for its size; None of every other."""
        if self.whole is None and len(self.body) > EVENT_BYTES_MAX:
            return BodyDigest.of(self.body)
        return self.whole


@dataclass(frozen=True, slots=True)
class SetAside:
    """An event that could not be processed: why, and its line's key where that can be made out."""

    id: int
    arrived: StreamEntry
    key: LineKey | None
    version: int | None
    status: Status
    reason: Reason
    error: str


class Refusal(NamedTuple):
    """An event that is to be set aside, and why."""

    arrived: StreamEntry
    reason: Reason
    error: str


def event_of(entry: StreamEntry, keyring: Keyring) -> Event:
    """Return the event of an entry. Raises EventError where it is too large, not of the contract, or signed wrongly."""
    if whole := entry.too_large:
        raise EventError("event", whole.size_error)
    event = read_event(entry.body)
    if problem := keyring.problem(event.company_id, entry.body, entry.signature):
        raise EventError("signature", problem)
    return event


def record_events(
    tx: Transaction, hashes: Mapping[UUID, bytes], saved_at: Mapping[UUID, datetime]
) -> dict[UUID, bytes]:
    """Record event ids with the hash of their content, and return those that were there before, as recorded then.

    An id lies in the month of its save, which is the same whenever the event is repeated.
    """
    rows = [
        {"event_id": event_id, "saved_month": _month(saved_at[event_id]), "content_hash": hashes[event_id]}
        for event_id in sorted(hashes)
    ]
    created = tx.execute(
        text(insertion(events, _SEEN, "ON CONFLICT DO NOTHING RETURNING event_id")), arrays(rows, _SEEN)
    )
    seen = set(hashes) - set(created.scalars())
    if not seen:
        return {}
    found = tx.execute(
        text(
            f"SELECT event_id, events.content_hash FROM events JOIN {unnested(events, _SEEN[:2])} "
            "USING (event_id, saved_month)"
        ),
        arrays([row for row in rows if row["event_id"] in seen], _SEEN[:2]),
    )
    return {row.event_id: row.content_hash for row in found}


def _month(moment: datetime) -> date:
    return moment.astimezone(UTC).date().replace(day=1)


def put_aside(tx: Transaction, refusals: Sequence[Refusal], now: datetime) -> list[SetAside]:
    """Keep events that cannot be processed, whole or their beginning; one body is kept once, and counts its tries."""
    if not refusals:
        return []
    rows = {row["body_hash"]: row for row in (_row(refusal, now) for refusal in refusals)}
    again = (
        "ON CONFLICT (body_hash) DO UPDATE SET attempts = set_aside.attempts + 1, status = excluded.status, "
        "reason = excluded.reason, error = excluded.error, entry_id = excluded.entry_id, due_at = NULL, "
        "closed_at = NULL, signature = coalesce(excluded.signature, set_aside.signature), "
        f"{changed_at('set_aside', 'excluded.changed_at')} RETURNING set_aside.*"
    )
    sorted_rows = [rows[body_hash] for body_hash in sorted(rows)]
    kept = tx.execute(text(insertion(set_aside, _ASIDE, again)), arrays(sorted_rows, _ASIDE))
    return [_set_aside(row) for row in kept.mappings()]


def lock_due(tx: Transaction, now: datetime, limit: int) -> list[SetAside]:
    """Lock up to `limit` events set aside that someone asked to try again, passing over what others hold."""
    found = tx.execute(
        # No stronger: who opens the exception of a conflict holds its line and looks at this row.
        text(
            "SELECT * FROM set_aside WHERE due_at <= :now ORDER BY due_at, id LIMIT :limit "
            "FOR NO KEY UPDATE SKIP LOCKED"
        ),
        {"now": now, "limit": limit},
    )
    return [_set_aside(row) for row in found.mappings()]


def close(tx: Transaction, ids: Sequence[int], now: datetime) -> None:
    """Mark events as processed after all; the next refusal of the same body opens them again."""
    tx.execute(
        text(f"UPDATE set_aside SET closed_at = :now, due_at = NULL, {changed_at('set_aside')} WHERE id = ANY(:ids)"),
        {"ids": list(ids), "now": now},
    )


def _set_aside(row: RowMapping) -> SetAside:
    key = LineKey(row["clinic_id"], row["payment_id"], row["line_id"])
    whole = BodyDigest(row["whole_bytes"], row["body_hash"]) if row["whole_bytes"] else None
    return SetAside(
        id=row["id"],
        arrived=StreamEntry(row["entry_id"], row["body"], row["signature"], whole),
        key=key if all(key) else None,
        version=row["version"],
        status=Status(row["status"]),
        reason=Reason(row["reason"]),
        error=row["error"],
    )


def _row(refusal: Refusal, now: datetime) -> dict[str, Any]:
    arrived = refusal.arrived
    seen, whole = read_partial_event(arrived.body), arrived.too_large
    status = Status.NOT_SENT if refusal.reason is Reason.RETRIES_EXHAUSTED else Status.VALIDATION_FAILED
    return seen._asdict() | {
        "body": arrived.body[:KEPT_BYTES] if whole else arrived.body,
        "body_hash": whole.sha256 if whole else hashlib.sha256(arrived.body).digest(),
        "whole_bytes": whole.byte_count if whole else None,
        "signature": arrived.signature,
        "entry_id": arrived.entry_id,
        "status": status,
        "reason": refusal.reason,
        "error": refusal.error,
        "received_at": now,
        "changed_at": now,
        "attempts": 1,
        "saved_on": seen.saved_at.date() if seen.saved_at else None,
    }
