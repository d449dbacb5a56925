"""Requeue payments: make lines and dead letters due now, because a user requested it."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import RowMapping

from payments.contract.keys import LineKey
from payments.core.history import HistoryCode
from payments.core.outcome import HoldCause
from payments.store.db.as_of import changed_at
from payments.store.db.bulk import column_arrays, unnest_item
from payments.store.db.conditions import has_not_moved
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.ledger import history
from payments.store.ledger.history import HistoryEvent
from payments.store.tables import lines

_KEY_COLUMNS = list(LineKey._fields)
_KEY_LIST = ", ".join(_KEY_COLUMNS)
# Due since the save, or since receipt: if the clock is set back, `now` would lie in the future.
# Locked first, in the order of the keys, as everywhere.
_REQUEUE_LINES = (
    "WITH selected AS MATERIALIZED (SELECT lines.id FROM lines {0} "
    f"ORDER BY {_KEY_LIST} FOR NO KEY UPDATE OF lines) "
    f"UPDATE lines SET {changed_at('lines')}, due_at = least(lines.saved_at, :now), "
    "requeued_at = :now, waits = 0, status = 'Transmission Pending', reason = NULL, "
    f"application = 'held', detail = '{HoldCause.REQUEUED}' FROM selected WHERE lines.id = selected.id "
    f"RETURNING lines.id, version, {_KEY_LIST}"
)
_REQUEUE_DEAD_LETTERS = (
    f"WITH selected AS MATERIALIZED (SELECT id FROM set_aside WHERE closed_at IS NULL AND {has_not_moved('set_aside')} "
    "AND ({0}) "
    "ORDER BY body_hash, company_id NULLS FIRST FOR NO KEY UPDATE) "
    f"UPDATE set_aside SET {changed_at('set_aside')}, due_at = least(received_at, :now) "
    "FROM selected WHERE set_aside.id = selected.id "
    f"RETURNING set_aside.id, version, {_KEY_LIST}"
)
_IS_REQUEUEABLE = f"status IN ('Not Sent', 'Transmission Pending') AND {has_not_moved('lines')}"


def requeue_lines(tx: Transaction, keys: Sequence[LineKey], now: datetime, who: str) -> list[LineKey]:
    """Make lines due if they are Not Sent or pending. Return the keys of the lines that became due.

    Locks: the lines FOR NO KEY UPDATE, in the order of their keys.
    """
    join = f"JOIN {unnest_item(lines, _KEY_COLUMNS)} USING ({_KEY_LIST}) WHERE {_IS_REQUEUEABLE}"
    rows = [key._asdict() for key in sorted(keys)]
    found = (
        tx.execute(text(_REQUEUE_LINES.format(join)), column_arrays(rows, _KEY_COLUMNS) | {"now": now}).mappings().all()
    )
    _record_requeued_lines(tx, found, now, who)
    return [_key_of_row(row) for row in found]


def requeue_dead_letters(
    tx: Transaction, ids: Sequence[int], keys: Sequence[LineKey], now: datetime, who: str
) -> list[LineKey | int]:
    """Make open dead letters due. The caller names them by their ids or by the keys of their lines.

    Returns the id or the key of each requeued dead letter, as the caller named it. Locks: the rows FOR NO KEY UPDATE,
    in ascending order of the body's hash.
    """
    rows = [key._asdict() for key in keys]
    found = tx.execute(
        text(
            _REQUEUE_DEAD_LETTERS.format(
                f"id = ANY(:ids) OR ({_KEY_LIST}) IN (SELECT * FROM {unnest_item(lines, _KEY_COLUMNS)})"
            )
        ),
        column_arrays(rows, _KEY_COLUMNS) | {"now": now, "ids": list(ids)},
    )
    requeued = found.mappings().all()
    _record_requeued_dead_letters(tx, requeued, now, who)
    return [row["id"] if row["id"] in ids else _key_of_row(row) for row in requeued]


def _record_requeued_lines(tx: Transaction, requeued: Sequence[RowMapping], now: datetime, who: str) -> int:
    code = HistoryCode.RESUBMITTED
    return _record_history(
        tx,
        (
            HistoryEvent(now, code, who, row["company_id"], version=row["version"], line_ref=row["id"])
            for row in requeued
        ),
    )


def _record_requeued_dead_letters(tx: Transaction, requeued: Sequence[RowMapping], now: datetime, who: str) -> int:
    code = HistoryCode.DEAD_LETTER_RESUBMITTED
    return _record_history(
        tx,
        (
            HistoryEvent(now, code, who, row["company_id"], version=row["version"], dead_letter_id=row["id"])
            for row in requeued
        ),
    )


def _record_history(tx: Transaction, events: Iterable[HistoryEvent]) -> int:
    added = list(events)
    history.add(tx, added)
    return len(added)


def _key_of_row(row: RowMapping) -> LineKey:
    return LineKey(*(row[name] for name in _KEY_COLUMNS))
