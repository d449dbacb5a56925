"""The table of the outbox, in the EMR's own PostgreSQL.

Any DB-API connection with the parameter style `%s` works (psycopg, psycopg2, pg8000).
"""

import contextlib
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Protocol

from emr.client import Publishable, body_of
from payments.contract.size_limit import EVENT_BYTES_MAX

# The statements after the first one upgrade the table of an earlier release.
TABLE_STATEMENTS = """
CREATE TABLE IF NOT EXISTS payment_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event bytea NOT NULL
);
ALTER TABLE payment_outbox ADD COLUMN IF NOT EXISTS refused text, ADD COLUMN IF NOT EXISTS refused_at timestamptz,
    ADD COLUMN IF NOT EXISTS confirmed_at timestamptz, ADD COLUMN IF NOT EXISTS replication_id text;
DROP INDEX IF EXISTS payment_outbox_waiting;
CREATE INDEX IF NOT EXISTS payment_outbox_unpublished ON payment_outbox (id)
    WHERE refused IS NULL AND confirmed_at IS NULL;
CREATE INDEX IF NOT EXISTS payment_outbox_confirmed ON payment_outbox (confirmed_at) WHERE confirmed_at IS NOT NULL;
"""
_INSERT_EVENT = "INSERT INTO payment_outbox (event) VALUES (%s)"
# Relays skip rows that another relay has locked, so that several can run. An oversized event is not loaded.
_LOCK_OLDEST_EVENTS = """
SELECT id, octet_length(event), CASE WHEN octet_length(event) <= %s THEN event END
FROM payment_outbox WHERE refused IS NULL AND confirmed_at IS NULL AND id > %s ORDER BY id LIMIT %s
FOR UPDATE SKIP LOCKED
"""
_KEEP_CONFIRMED = "UPDATE payment_outbox SET confirmed_at = now(), replication_id = %s WHERE id = ANY(%s)"
_SELECT_ANY_CONFIRMED = "SELECT EXISTS (SELECT FROM payment_outbox WHERE confirmed_at IS NOT NULL)"
_UNCONFIRM_EVENTS = """
UPDATE payment_outbox SET confirmed_at = NULL, replication_id = NULL WHERE id IN (
    SELECT id FROM payment_outbox WHERE confirmed_at IS NOT NULL AND replication_id <> %s
    ORDER BY id FOR UPDATE SKIP LOCKED)
RETURNING id
"""
_DELETE_CONFIRMED = """
DELETE FROM payment_outbox WHERE id IN (
    SELECT id FROM payment_outbox
    WHERE confirmed_at < now() - make_interval(secs => %s) AND replication_id = coalesce(%s, replication_id)
    ORDER BY id FOR UPDATE SKIP LOCKED)
"""
_DELETE_EVENTS = "DELETE FROM payment_outbox WHERE id = ANY(%s)"
_MARK_REFUSED = "UPDATE payment_outbox SET refused = %s, refused_at = now() WHERE id = %s"
_COUNT_WAITING = "SELECT count(*) FROM payment_outbox WHERE refused IS NULL AND confirmed_at IS NULL"
_SELECT_REFUSED = """
SELECT id, octet_length(event), refused, refused_at FROM payment_outbox WHERE refused IS NOT NULL ORDER BY id
"""
_RETRY_REFUSED = "UPDATE payment_outbox SET refused = NULL, refused_at = NULL WHERE refused IS NOT NULL"


class Cursor(Protocol):
    """The part of a DB-API cursor that this module uses."""

    def execute(self, statement: str, parameters: Sequence[Any] = (), /) -> Any:
        """Run a statement."""

    def fetchall(self) -> Any:
        """Return the remaining rows."""

    def close(self) -> None:
        """Close the cursor."""


class Connection(Protocol):
    """The part of a DB-API connection that this module uses."""

    def cursor(self) -> Any:
        """Return a cursor."""

    def commit(self) -> None:
        """Commit the transaction."""

    def rollback(self) -> None:
        """Roll the transaction back."""

    def close(self) -> None:
        """Close the connection."""


class WaitingEvent(NamedTuple):
    """An event in the outbox. `body` is None if the event exceeds the size limit of the contract."""

    id: int
    byte_count: int
    body: bytes | None


class RefusedEvent(NamedTuple):
    """An event that can never be published, with the reason and the time at which it was refused."""

    id: int
    byte_count: int
    reason: str
    refused_at: datetime


def create_table(connection: Connection) -> None:
    """Create the outbox table in the EMR's database, or upgrade the table of an earlier release. The caller commits."""
    for statement in filter(str.strip, TABLE_STATEMENTS.split(";")):
        _execute(connection, statement)


def write(connection: Connection, event: Publishable) -> None:
    """Add an event to the outbox in the current transaction of the connection. The caller commits.

    The event id is assigned here. So if the event is published again, Billing ignores it.
    """
    _execute(connection, _INSERT_EVENT, (body_of(event),))


def waiting(connection: Connection) -> int:
    """Return the number of events that wait in the outbox. Refused and published events do not count."""
    return int(_fetch_rows(connection, _COUNT_WAITING)[0][0])


def refused(connection: Connection) -> list[RefusedEvent]:
    """Return the refused events, oldest first. They stay in the outbox until the EMR acts."""
    return [RefusedEvent(*row) for row in _fetch_rows(connection, _SELECT_REFUSED)]


def retry_refused(connection: Connection) -> None:
    """Mark the refused events as waiting again, after the cause of the refusal was removed. The caller commits."""
    _execute(connection, _RETRY_REFUSED)


def lock_oldest(connection: Connection, after: int, limit: int) -> list[WaitingEvent]:
    """Lock the oldest waiting events with ids above `after`, and return them.

    Events that another relay has locked are skipped.
    """
    rows = _fetch_rows(connection, _LOCK_OLDEST_EVENTS, (EVENT_BYTES_MAX, after, limit))
    return [WaitingEvent(row, byte_count, None if event is None else bytes(event)) for row, byte_count, event in rows]


def record_outcome(connection: Connection, published: Mapping[int, str | None], reasons: Mapping[int, str]) -> None:
    """Record which events were published, and mark the refused events with their reasons. The caller commits.

    `published` maps an event to the replication ID of the primary that confirmed it. Such an event is kept until
    `settle_confirmed` deletes it. An event without a replication ID is deleted.
    """
    for replication_id in dict.fromkeys(published.values()):
        rows = [row for row, each in published.items() if each == replication_id]
        if replication_id is None:
            _execute(connection, _DELETE_EVENTS, (rows,))
        else:
            _execute(connection, _KEEP_CONFIRMED, (replication_id, rows))
    for row, reason in reasons.items():
        _execute(connection, _MARK_REFUSED, (reason, row))


def has_confirmed(connection: Connection) -> bool:
    """Return whether the outbox keeps published events."""
    return bool(_fetch_rows(connection, _SELECT_ANY_CONFIRMED)[0][0])


def settle_confirmed(connection: Connection, replication_id: str | None, kept: timedelta) -> int:
    """Mark published events that another primary confirmed as waiting again. Return their number. The caller commits.

    `replication_id` is that of the present primary. If it is None, no event is marked. Published events that were
    confirmed longer ago than `kept` are deleted. Locks these events, and skips those that another relay has locked.
    """
    lost = [] if replication_id is None else _fetch_rows(connection, _UNCONFIRM_EVENTS, (replication_id,))
    _execute(connection, _DELETE_CONFIRMED, (kept.total_seconds(), replication_id))
    return len(lost)


def _execute(connection: Connection, statement: str, parameters: Sequence[Any] = ()) -> None:
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.execute(statement, parameters)


def _fetch_rows(connection: Connection, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
    with contextlib.closing(connection.cursor()) as cursor:
        cursor.execute(statement, parameters)
        return list(cursor.fetchall())
