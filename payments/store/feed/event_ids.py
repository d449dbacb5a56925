"""The ids of processed events, with the hash of their content: an event that is published twice counts once."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from uuid import UUID

from payments.store.db.bulk import arrays, insertion, unnest_item
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.tables import events

_KEY = ["event_id", "saved_month"]
_COLUMNS = [*_KEY, "content_hash"]


def record(tx: Transaction, hashes: Mapping[UUID, bytes], saved_at: Mapping[UUID, datetime]) -> dict[UUID, bytes]:
    """Record event ids with their content hashes, and return those recorded before, with the hash recorded then.

    `hashes` and `saved_at` have the same keys. The table is partitioned by the month of the save, which is the same
    whenever an event is repeated. Locks: waits for another transaction that is inserting the same id; ids are inserted
    in ascending order.
    """
    rows = [
        {"event_id": event_id, "saved_month": _month(saved_at[event_id]), "content_hash": hashes[event_id]}
        for event_id in sorted(hashes)
    ]
    created = tx.execute(
        text(insertion(events, _COLUMNS, "ON CONFLICT DO NOTHING RETURNING event_id")), arrays(rows, _COLUMNS)
    )
    seen = set(hashes) - set(created.scalars())
    if not seen:
        return {}
    found = tx.execute(
        text(
            f"SELECT event_id, events.content_hash FROM events JOIN {unnest_item(events, _KEY)} "
            "USING (event_id, saved_month)"
        ),
        arrays([row for row in rows if row["event_id"] in seen], _KEY),
    )
    return {row.event_id: row.content_hash for row in found}


def _month(moment: datetime) -> date:
    return moment.astimezone(UTC).date().replace(day=1)
