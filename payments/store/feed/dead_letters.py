"""Dead letters: stream entries that could not be processed, stored with their reason and error.

People see them on the Claims Feed as *Validation Failed*, or as *Not Sent* if their retries are exhausted. The table is
named `set_aside` (see `tables.py`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import RowMapping

from payments.contract.event import LineKey
from payments.contract.partial_event import PartialEvent, read_partial_event
from payments.contract.size_limit import KEPT_BYTES, BodyDigest
from payments.contract.stream_entry import StreamEntry
from payments.core.outcome import Reason, Status
from payments.store.db.as_of import changed_at
from payments.store.db.bulk import arrays, insertion
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.tables import dead_letters

_COLUMNS = (
    "body body_hash whole_bytes signature entry_id status reason error received_at attempts saved_on changed_at".split()
    + list(PartialEvent._fields)
)


class Rejection(NamedTuple):
    """A stream entry that cannot be processed, with the reason and the error message."""

    entry: StreamEntry
    reason: Reason
    error: str


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A stored dead letter; `key` and `version` are those of its line, if they can be read."""

    id: int
    entry: StreamEntry
    key: LineKey | None
    version: int | None
    status: Status
    reason: Reason
    error: str


def add(tx: Transaction, rejections: Sequence[Rejection], now: datetime) -> list[DeadLetter]:
    """Store rejected entries as dead letters, and return them.

    A body is stored once. If it is rejected again, its attempts are incremented, its status, reason and error are
    replaced, and it is open again. Of an oversized event only the beginning is stored. Locks: the rows, in ascending
    order of the body's hash.
    """
    if not rejections:
        return []
    rows = {row["body_hash"]: row for row in (_row(rejection, now) for rejection in rejections)}
    again = (
        "ON CONFLICT (body_hash) DO UPDATE SET attempts = set_aside.attempts + 1, status = excluded.status, "
        "reason = excluded.reason, error = excluded.error, entry_id = excluded.entry_id, due_at = NULL, "
        "closed_at = NULL, signature = coalesce(excluded.signature, set_aside.signature), "
        f"{changed_at('set_aside', 'excluded.changed_at')} RETURNING set_aside.*"
    )
    sorted_rows = [rows[body_hash] for body_hash in sorted(rows)]
    added = tx.execute(text(insertion(dead_letters, _COLUMNS, again)), arrays(sorted_rows, _COLUMNS))
    return [_dead_letter(row) for row in added.mappings()]


def lock_due(tx: Transaction, now: datetime, limit: int) -> list[DeadLetter]:
    """Return up to `limit` requeued dead letters that are due, the earliest first.

    Locks: FOR NO KEY UPDATE, skipping rows that another transaction has locked.
    """
    found = tx.execute(
        # FOR UPDATE would be too strong: inserting a finding that refers to the dead letter locks its key.
        text(
            "SELECT * FROM set_aside WHERE due_at <= :now ORDER BY due_at, id LIMIT :limit "
            "FOR NO KEY UPDATE SKIP LOCKED"
        ),
        {"now": now, "limit": limit},
    )
    return [_dead_letter(row) for row in found.mappings()]


def close(tx: Transaction, ids: Sequence[int], now: datetime) -> None:
    """Close dead letters, so that the Claims Feed no longer shows them. If a body is rejected again, it reopens."""
    tx.execute(
        text(f"UPDATE set_aside SET closed_at = :now, due_at = NULL, {changed_at('set_aside')} WHERE id = ANY(:ids)"),
        {"ids": list(ids), "now": now},
    )


def _dead_letter(row: RowMapping) -> DeadLetter:
    key = LineKey(row["clinic_id"], row["payment_id"], row["line_id"])
    full_digest = BodyDigest(row["whole_bytes"], row["body_hash"]) if row["whole_bytes"] else None
    return DeadLetter(
        id=row["id"],
        entry=StreamEntry(row["entry_id"], row["body"], row["signature"], full_digest),
        key=key if all(key) else None,
        version=row["version"],
        status=Status(row["status"]),
        reason=Reason(row["reason"]),
        error=row["error"],
    )


def _row(rejection: Rejection, now: datetime) -> dict[str, Any]:
    entry = rejection.entry
    partial, oversize = read_partial_event(entry.body), entry.oversize
    status = Status.NOT_SENT if rejection.reason is Reason.RETRIES_EXHAUSTED else Status.VALIDATION_FAILED
    return partial._asdict() | {
        "body": entry.body[:KEPT_BYTES] if oversize else entry.body,
        "body_hash": oversize.sha256 if oversize else hashlib.sha256(entry.body).digest(),
        "whole_bytes": oversize.byte_count if oversize else None,
        "signature": entry.signature,
        "entry_id": entry.entry_id,
        "status": status,
        "reason": rejection.reason,
        "error": rejection.error,
        "received_at": now,
        "changed_at": now,
        "attempts": 1,
        "saved_on": partial.saved_at.date() if partial.saved_at else None,
    }
