"""The ids of processed events, with the hash of their content: an event that is published twice counts once."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from payments.store.db.bulk import insertion, unnest_item
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.tables import events

EventKey = tuple[str, UUID]
"""The key of an event: its company and its id."""

_KEY = ["company_id", "event_id", "saved_month"]
_COLUMNS = [*_KEY, "content_hash"]
_OF_UNKNOWN_COMPANY = ""  # recorded by an earlier release


def record(
    tx: Transaction, hashes: Mapping[EventKey, bytes], saved_at: Mapping[EventKey, datetime]
) -> dict[EventKey, bytes]:
    """Record event ids with their content hashes. Return the ids that were recorded before, with their recorded hashes.

    `hashes` and `saved_at` have the same keys. The table is partitioned by the month of the save, which is the same
    whenever an event is repeated. Locks: waits for another transaction that is inserting the same id; ids are inserted
    in ascending order.
    """
    keys = sorted(hashes, key=_order)
    columns = _arrays(keys, saved_at)
    statement = insertion(events, _COLUMNS, "ON CONFLICT DO NOTHING RETURNING company_id, event_id")
    created = tx.execute(text(statement), columns | {"content_hash": [hashes[key] for key in keys]})
    if created.rowcount == len(keys):
        return {}
    seen = set(keys).difference(map(tuple, created))
    found = tx.execute(
        text(
            f"SELECT new.company_id, event_id, events.content_hash FROM events JOIN {unnest_item(events, _KEY)} "
            "USING (event_id, saved_month) WHERE events.company_id = ANY(ARRAY[new.company_id, :unknown])"
        ),
        _arrays(sorted(seen, key=_order), saved_at) | {"unknown": _OF_UNKNOWN_COMPANY},
    )
    return {(row.company_id, row.event_id): row.content_hash for row in found}


def _order(key: EventKey) -> tuple[str, int]:
    """Return what orders events as their ids do. Comparing numbers is cheaper than comparing ids."""
    return key[0], key[1].int


def _arrays(keys: Sequence[EventKey], saved_at: Mapping[EventKey, datetime]) -> dict[str, list[Any]]:
    return {
        "company_id": [company_id for company_id, _ in keys],
        "event_id": [event_id for _, event_id in keys],
        "saved_month": [_month(saved_at[key]) for key in keys],
    }


def _month(moment: datetime) -> date:
    return moment.astimezone(UTC).date().replace(day=1)
