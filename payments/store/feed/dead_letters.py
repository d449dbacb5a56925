"""Dead letters: stream entries that could not be processed, stored with their reason and error.

Users see them on the Claims Feed as *Validation Failed*. If their retries are exhausted, or Billing does not have their
company or clinic, users see *Not Sent*. The table is named `set_aside` (see `tables.py`).

If an entry may not come from the company that it names, its dead letter has no company and no other fields of the
event. These fields are in the body only.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import RowMapping

from payments.contract.partial_event import PartialEvent, read_partial_event
from payments.contract.signature import Keyring
from payments.contract.size_limit import KEPT_BYTES, BodyDigest
from payments.contract.stream_entry import StreamEntry, is_authentic
from payments.core.due_selection import DueSelection
from payments.core.outcome import Reason, Status
from payments.store.db.advisory_locks import AdvisoryLock, try_acquire
from payments.store.db.as_of import changed_at
from payments.store.db.bulk import column_arrays, insert_statement, unnest_item
from payments.store.db.conditions import has_not_moved
from payments.store.db.connection import ConcurrentWriteError, Transaction
from payments.store.db.fair_shares import due_rows_with_unknown_company
from payments.store.db.statement import text
from payments.store.tables import dead_letters

_ENTRY_COLUMNS = (
    "body body_hash whole_bytes signature entry_id status reason error received_at attempts saved_on changed_at".split()
    + list(PartialEvent._fields)
)


_KEY_COLUMNS = ["company_id", "body_hash"]
_DUE_QUERY = due_rows_with_unknown_company("set_aside")
_DUE_AMONG_QUERY = (
    f"SELECT * FROM set_aside WHERE due_at <= :now AND id = ANY(:only) AND {has_not_moved('set_aside')} "
    "ORDER BY due_at, id LIMIT :limit"
)
_HASH_BYTES = 32
_NOT_AUTHENTIC_SUFFIX = b"\0"
"""The suffix of the hash of a body that is not authentic. An authentic event with the same body has another hash."""


class Rejection(NamedTuple):
    """A stream entry that cannot be processed, with the reason and the error message.

    If `with_fields` is False, the database refuses one of the fields, so only the bytes of the entry are stored. A dead
    letter that is already stored keeps its fields. If the entry is not authentic, only its bytes are stored as well.
    """

    entry: StreamEntry
    reason: Reason
    error: str
    with_fields: bool = True
    is_authentic: bool = True


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A stored dead letter. `version` is the version that its event states, None if the version is unreadable."""

    id: int
    entry: StreamEntry
    company_id: str | None
    version: int | None
    status: Status
    reason: Reason
    error: str


class RefusedEvent(NamedTuple):
    """The bytes of an event that was refused, and its signature. `signature` is None if the event has none."""

    body: bytes
    signature: str | None


def add(tx: Transaction, rejections: Sequence[Rejection], now: datetime) -> list[DeadLetter]:
    """Store rejected entries as dead letters, and return the dead letters.

    Each body is stored once per company, and once without a company. If a stored body is rejected again, its dead
    letter is reopened: its attempts are incremented, and its status, reason and error are replaced. Only the beginning
    of an oversized event is stored. Locks: the rows, in ascending order of the body's hash.
    """
    if not rejections:
        return []
    rows = {(row["body_hash"], row["company_id"] or ""): row for row in (_to_row(each, now) for each in rejections)}
    again = (
        "ON CONFLICT (company_id, body_hash) DO UPDATE "
        "SET attempts = set_aside.attempts + 1, status = excluded.status, "
        "reason = excluded.reason, error = excluded.error, entry_id = excluded.entry_id, due_at = NULL, "
        "closed_at = NULL, signature = coalesce(excluded.signature, set_aside.signature), "
        "event_type = coalesce(set_aside.event_type, excluded.event_type), "
        "charge_id = coalesce(set_aside.charge_id, excluded.charge_id), "
        f"{changed_at('set_aside', 'excluded.changed_at')} RETURNING set_aside.*"
    )
    sorted_rows = [rows[key] for key in sorted(rows)]
    added = tx.execute(
        text(insert_statement(dead_letters, _ENTRY_COLUMNS, again)), column_arrays(sorted_rows, _ENTRY_COLUMNS)
    )
    return [_to_dead_letter(row) for row in added.mappings()]


def unstored_entries(tx: Transaction, entries: Sequence[StreamEntry], keyring: Keyring) -> list[StreamEntry]:
    """Return the entries whose bodies are not stored as dead letters, open or closed.

    If no signatures are checked, it is unknown whether an entry is authentic. An entry is then also omitted if its body
    is stored as not authentic.
    """
    wanted = [(entry, _stored_keys(entry, keyring)) for entry in entries]
    keys = sorted({key for _, keys in wanted for key in keys}, key=lambda key: (key[0] or "", key[1]))
    if not keys:
        return []
    found = tx.execute(
        text(
            "SELECT company_id, body_hash FROM "
            f"(SELECT * FROM {unnest_item(dead_letters, _KEY_COLUMNS)}) AS wanted, "
            "LATERAL (SELECT FROM set_aside WHERE set_aside.company_id = wanted.company_id "
            "AND set_aside.body_hash = wanted.body_hash LIMIT 1) AS stored UNION ALL "
            "SELECT company_id, body_hash FROM set_aside WHERE company_id IS NULL AND body_hash = ANY(:body_hash)"
        ),
        column_arrays([dict(zip(_KEY_COLUMNS, key, strict=True)) for key in keys], _KEY_COLUMNS),
    )
    stored = {(row.company_id, bytes(row.body_hash)) for row in found}
    return [entry for entry, keys in wanted if not stored.intersection(keys)]


def _stored_keys(entry: StreamEntry, keyring: Keyring) -> list[tuple[str | None, bytes]]:
    """Return the keys under which an entry may be stored as a dead letter: the company and the hash of the body."""
    body_hash = hashlib.sha256(entry.body).digest()
    authentic = [(None, body_hash), (read_partial_event(entry.body).company_id, body_hash)]
    if not keyring.is_used:
        return [*authentic, (None, body_hash + _NOT_AUTHENTIC_SUFFIX)]
    return authentic if is_authentic(entry, keyring) else [(None, body_hash + _NOT_AUTHENTIC_SUFFIX)]


def select_due(tx: Transaction, now: datetime, selection: DueSelection) -> list[DeadLetter]:
    """Return the selected dead letters that are requeued and due. If another transaction is retrying some, return none.

    Companies get equal shares of the limit. All dead letters without a company together get one share. The rows are not
    locked yet: a retry locks them last, in `close_due`. Locks: one advisory lock, without waiting.
    """
    if not try_acquire(tx, AdvisoryLock.DEAD_LETTER_RETRY):
        return []
    query, only = (_DUE_QUERY, {}) if selection.only is None else (_DUE_AMONG_QUERY, {"only": list(selection.only)})
    found = tx.execute(text(query), {"now": now, "limit": selection.limit} | only)
    return [_to_dead_letter(row) for row in found.mappings()]


def close_due(tx: Transaction, ids: Sequence[int], now: datetime) -> None:
    """Close due dead letters that were retried.

    Raises ConcurrentWriteError if a user has closed one of them meanwhile. Locks: the rows FOR NO KEY UPDATE, in
    ascending order of the body's hash.
    """
    if not ids:
        return
    closed = tx.execute(
        text(
            "WITH locked AS MATERIALIZED (SELECT id FROM set_aside WHERE id = ANY(:ids) AND due_at IS NOT NULL "
            "ORDER BY body_hash, company_id NULLS FIRST FOR NO KEY UPDATE) "
            f"UPDATE set_aside SET closed_at = :now, due_at = NULL, {changed_at('set_aside')} "
            "FROM locked WHERE set_aside.id = locked.id"
        ),
        {"ids": list(ids), "now": now},
    )
    if closed.rowcount != len(ids):
        raise ConcurrentWriteError("a dead letter was closed while it was retried")


def close(tx: Transaction, dead_letter_id: int, now: datetime) -> None:
    """Close a dead letter, so that the Claims Feed no longer shows it.

    If the same body is rejected again, the dead letter is reopened.
    """
    tx.execute(
        text(f"UPDATE set_aside SET closed_at = :now, due_at = NULL, {changed_at('set_aside')} WHERE id = :id"),
        {"id": dead_letter_id, "now": now},
    )


def reopen(tx: Transaction, dead_letter_id: int, now: datetime) -> None:
    """Open a closed dead letter again, so that the Claims Feed shows it again."""
    tx.execute(
        text(f"UPDATE set_aside SET closed_at = NULL, {changed_at('set_aside')} WHERE id = :id"),
        {"id": dead_letter_id, "now": now},
    )


def refused_since(tx: Transaction, company_id: str, since: datetime) -> list[RefusedEvent]:
    """Return the events of a company that were refused since a moment, oldest first.

    These are its open dead letters with the reason `unknown_company`. Oversized events are omitted, because only their
    beginning is stored.
    """
    found = tx.execute(
        text(
            "SELECT body, signature FROM set_aside WHERE company_id = :company_id AND reason = :reason "
            "AND received_at >= :since AND closed_at IS NULL AND whole_bytes IS NULL ORDER BY received_at, id"
        ),
        {"company_id": company_id, "reason": Reason.UNKNOWN_COMPANY, "since": since},
    )
    return [RefusedEvent(bytes(row.body), row.signature) for row in found]


def _to_dead_letter(row: RowMapping) -> DeadLetter:
    body_hash, was_authentic = row["body_hash"], len(row["body_hash"]) == _HASH_BYTES
    full_digest = BodyDigest(row["whole_bytes"], body_hash[:_HASH_BYTES]) if row["whole_bytes"] else None
    return DeadLetter(
        id=row["id"],
        entry=StreamEntry(
            row["entry_id"], row["body"], row["signature"], full_digest, None, was_authentic, row["company_id"]
        ),
        company_id=row["company_id"],
        version=row["version"],
        status=Status(row["status"]),
        reason=Reason(row["reason"]),
        error=row["error"],
    )


def _to_row(rejection: Rejection, now: datetime) -> dict[str, Any]:
    entry = rejection.entry
    is_read = rejection.with_fields and rejection.is_authentic
    partial = read_partial_event(entry.body) if is_read else PartialEvent()
    if rejection.is_authentic and entry.was_authentic:
        # The key of the stored dead letter, even if another company is read from its body now.
        partial = partial._replace(company_id=entry.stored_company)
    oversize = entry.oversized_digest
    body_hash = oversize.sha256 if oversize else hashlib.sha256(entry.body).digest()
    return partial._asdict() | {
        "body": entry.body[:KEPT_BYTES] if oversize else entry.body,
        "body_hash": body_hash if rejection.is_authentic else body_hash + _NOT_AUTHENTIC_SUFFIX,
        "whole_bytes": oversize.byte_count if oversize else None,
        "signature": entry.signature,
        "entry_id": entry.entry_id,
        "status": rejection.reason.status,
        "reason": rejection.reason,
        "error": rejection.error,
        "received_at": now,
        "changed_at": now,
        "attempts": 1,
        "saved_on": partial.saved_at.date() if partial.saved_at else None,
    }
