"""The ids of processed events, with the hash of their content. An event that is published twice counts once."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from uuid import UUID

from psycopg.errors import UniqueViolation
from sqlalchemy.exc import IntegrityError

from payments.store.db.bulk import append, insert_statement, unnest_item
from payments.store.db.connection import Transaction, savepoint
from payments.store.db.pipeline import Query, fetch
from payments.store.db.statement import text
from payments.store.tables import events

EventKey = tuple[str, UUID]
"""The key of an event: its company and its id."""

_KEY_COLUMNS = ["company_id", "event_id", "saved_month"]
_COLUMNS = [*_KEY_COLUMNS, "content_hash"]
_UNKNOWN_COMPANY_ID = ""  # recorded by an earlier release
COPIED_MIN = 20
"""The number of events from which on COPY is faster, although its savepoint takes two round trips."""


class LineEventContent(NamedTuple):
    """The content of a line event, for comparison: the time of the save, and the content hash."""

    saved_at: datetime
    content_hash: bytes


def record(tx: Transaction, events_by_key: Mapping[EventKey, LineEventContent]) -> dict[EventKey, LineEventContent]:
    """Record events with their content hashes. Return the events that were recorded before, with their earlier content.

    The table is partitioned by the month of the save. A repeated event has the same save time, so it is in the same
    partition. Ids are inserted in ascending order. Locks: waits for another transaction that is inserting the same id.
    """
    if len(events_by_key) >= COPIED_MIN and _copy(tx, sorted(events_by_key.items(), key=_sort_key)):
        return {}
    return recorded_before(tx, events_by_key, fetch(tx, insert_query(events_by_key)))


def insert_query(events_by_key: Mapping[EventKey, LineEventContent]) -> Query[set[EventKey]]:
    """Return the query that records events and locks as `record` does. Its result is the keys of the new events."""
    added = sorted(events_by_key.items(), key=_sort_key)
    statement = insert_statement(events, _COLUMNS, "ON CONFLICT DO NOTHING RETURNING company_id, event_id")
    return Query(
        statement if added else "",
        _key_arrays(added) | {"content_hash": [each.content_hash for _, each in added]},
        lambda rows: {(row.company_id, row.event_id) for row in rows},
    )


def recorded_before(
    tx: Transaction, events_by_key: Mapping[EventKey, LineEventContent], created: set[EventKey]
) -> dict[EventKey, LineEventContent]:
    """Return the events that were recorded before, with their earlier content.

    `created` holds the keys that the query of `insert_query` returned.
    """
    seen = set(events_by_key) - created
    if not seen:
        return {}
    found = tx.execute(
        text(
            "SELECT new.company_id, event_id, events.content_hash "
            f"FROM events JOIN {unnest_item(events, _KEY_COLUMNS)} "
            "USING (event_id, saved_month) WHERE events.company_id = ANY(ARRAY[new.company_id, :unknown])"
        ),
        _key_arrays([each for each in events_by_key.items() if each[0] in seen]) | {"unknown": _UNKNOWN_COMPANY_ID},
    )
    hashes = {(row.company_id, row.event_id): row.content_hash for row in found}
    return {key: events_by_key[key]._replace(content_hash=content_hash) for key, content_hash in hashes.items()}


def _copy(tx: Transaction, added: Sequence[tuple[EventKey, LineEventContent]]) -> bool:
    """Record events by COPY, and return True. If one of them was recorded before, record nothing, and return False.

    COPY fails if an event exists, but is faster than INSERT with ON CONFLICT, which confirms each row separately.
    Nearly all chunks have new events only.
    """
    rows = ((*key, _first_of_month(content.saved_at), content.content_hash) for key, content in added)
    try:
        with savepoint(tx):
            append(tx, events, _COLUMNS, rows)
    except IntegrityError as error:
        if isinstance(error.orig, UniqueViolation):
            return False
        raise
    return True


def _sort_key(event: tuple[EventKey, LineEventContent]) -> tuple[str, int]:
    """Return a sort key by which events are sorted by their keys. Numbers are compared faster than UUIDs."""
    company_id, event_id = event[0]
    return company_id, event_id.int


def _key_arrays(events_to_find: Sequence[tuple[EventKey, LineEventContent]]) -> dict[str, list[Any]]:
    return {
        "company_id": [company_id for (company_id, _), _ in events_to_find],
        "event_id": [event_id for (_, event_id), _ in events_to_find],
        "saved_month": [_first_of_month(each.saved_at) for _, each in events_to_find],
    }


def _first_of_month(moment: datetime) -> date:
    return moment.astimezone(UTC).date().replace(day=1)
