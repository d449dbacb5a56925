"""A refused event: one dead letter, with the body as it was received."""

from datetime import datetime
from typing import NamedTuple

from payments.core.scope import Scope
from payments.store.db.conditions import in_scope, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.printed_key import printed_key
from payments.store.db.statement import text


class RefusedEventRow(NamedTuple):
    """A refused event. `error` names the first invalid field and what was expected.

    `payment` is the printed key of the payment. `payment`, `company`, `clinic`, `patient`, `event_type`, `version` and
    `saved_at` are None if they cannot be read. `key` is the printed key of the dead letter, for a requeue. `is_open` is
    False after the event was requeued successfully or replaced. `byte_count` and `sha256` describe the whole event. The
    body of an oversized event is only its beginning.
    """

    id: int
    key: str
    payment: str | None
    company: str | None
    clinic: str | None
    patient: str | None
    event_type: str | None
    version: int | None
    saved_at: datetime | None
    status: str
    reason: str
    error: str
    received_at: datetime
    attempts: int
    is_open: bool
    entry_id: str
    byte_count: int
    sha256: str
    body: bytes

    @property
    def is_whole(self) -> bool:
        """Whether the body is the whole event."""
        return self.byte_count == len(self.body)


_HASH_BYTES = 32


def read(tx: Transaction, dead_letter_id: int, scope: Scope) -> RefusedEventRow | None:
    """Return a refused event, or None if the scope has none with this id."""
    query = f"""
    SELECT id, 'refused:' || id, {printed_key(scope)}, company_id, clinic_id, patient_id, event_type, version, saved_at,
        status, reason, error, received_at, attempts, closed_at IS NULL, entry_id,
        coalesce(whole_bytes, length(body)), encode(substr(body_hash, 1, {_HASH_BYTES}), 'hex'), body
    FROM set_aside WHERE id = :id{in_scope(scope, "set_aside")}
    """
    row = tx.execute(text(query), {"id": dead_letter_id, **scope_parameters(scope)}).one_or_none()
    return RefusedEventRow._make([*row[:-1], bytes(row[-1])]) if row else None
