"""Read the payments that a search has found, as the Claims Feed shows them."""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from payments.contract.keys import LineKey
from payments.core.scope import Scope
from payments.store.db.bulk import column_arrays, unnest_item
from payments.store.db.conditions import in_scope, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.patient_names import join_names
from payments.store.db.statement import text
from payments.store.feed.current import DEAD_LETTER_IS_CURRENT, LINE_IS_NEWEST
from payments.store.feed.feed_columns import dead_letter_columns, line_columns
from payments.store.reports.claims_feed import FeedRow
from payments.store.tables import lines


class FoundPayment(NamedTuple):
    """A row of the Claims Feed with the key of its line or, for a dead letter, the id of the dead letter.

    The status of the row is empty for a line that was never sent. A part of `key` is empty if the event of the dead
    letter does not contain it.
    """

    key: LineKey
    dead_letter_id: int | None
    transaction_date: date | None
    reference: str | None
    row: FeedRow


_KEY_COLUMNS = list(LineKey._fields)
_KEY_LIST = ", ".join(_KEY_COLUMNS)
_FEED_FIELDS = ", ".join(FeedRow._fields)
_HAS_WANTED_KEY = " AND ".join(f"{{0}}.{name} = wanted.{name}" for name in _KEY_COLUMNS)
_WANTED_KEYS = f"(SELECT * FROM {unnest_item(lines, _KEY_COLUMNS)}) AS wanted"
_LINES_QUERY = f"""
SELECT own.* FROM {_WANTED_KEYS}, LATERAL (SELECT * FROM lines WHERE {_HAS_WANTED_KEY.format("lines")} OFFSET 0) AS own
"""
_DEAD_LETTERS_QUERY = f"""
(SELECT own.* FROM {_WANTED_KEYS}, LATERAL (
        SELECT * FROM set_aside WHERE {_HAS_WANTED_KEY.format("set_aside")} OFFSET 0) AS own
    UNION SELECT * FROM set_aside WHERE id = ANY(:dead_letters))
"""


def read(tx: Transaction, scope: Scope, keys: Sequence[LineKey], dead_letter_ids: Sequence[int]) -> list[FoundPayment]:
    """Return the found payments that are in a scope, newest save first.

    A dead letter replaces the line that it supersedes.
    """
    statement = (
        f"SELECT {_FEED_FIELDS}, dead_letter_id, transaction_date, reference, {_KEY_LIST} FROM ("
        f"SELECT {line_columns(scope)}, NULL::bigint AS dead_letter_id, transaction_date, reference, {_KEY_LIST} "
        f"FROM ({_LINES_QUERY}) AS lines WHERE {LINE_IS_NEWEST}{in_scope(scope, 'lines')} UNION ALL "
        f"SELECT {dead_letter_columns(scope)}, id, transaction_date, NULL, {_KEY_LIST} "
        f"FROM {_DEAD_LETTERS_QUERY} AS set_aside "
        f"WHERE {DEAD_LETTER_IS_CURRENT}{in_scope(scope, 'set_aside')}) AS feed "
        f"{join_names('feed', 'company', 'patient')} ORDER BY cursor_at DESC, cursor_id DESC"
    )
    given: dict[str, Any] = column_arrays([key._asdict() for key in keys], _KEY_COLUMNS) | {
        "dead_letters": list(dead_letter_ids)
    }
    found = tx.execute(text(statement), given | scope_parameters(scope))
    return [_to_found_payment(row) for row in found]


def _to_found_payment(row: Sequence[Any]) -> FoundPayment:
    feed, (dead_letter_id, day, reference, *key) = row[: len(FeedRow._fields)], row[len(FeedRow._fields) :]
    return FoundPayment(LineKey(*(part or "" for part in key)), dead_letter_id, day, reference, FeedRow._make(feed))
