"""The Claims Feed: one row a line, with its newest version.

One query reads a page or the whole feed. Only the rule that decides which dead letters count has two forms: by index
for a page, and as a set for the whole (see `payments.store.feed.current`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import NamedTuple

from payments.contract.money import Money
from payments.store.db.as_of import as_of_query
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.feed.current import DEAD_LETTER_IS_CURRENT, LINE_IS_CURRENT, current_dead_letters
from payments.store.feed.feed_filter import FeedFilter, dead_letter_conditions, line_conditions, parameters

LINE, DEAD_LETTER = 0, 1
"""The source of a row: a line that was processed, or a dead letter."""


class FeedOrder(Enum):
    """Order of the feed: oldest save first with unreadable events last, or newest save first."""

    OLDEST = "saved_at NULLS LAST, payment, refused NULLS FIRST"
    NEWEST = "cursor_at DESC, cursor_source, cursor_id DESC"


class FeedCursor(NamedTuple):
    """Position of a row in the order NEWEST: time of the save (of arrival if unknown), source, row id."""

    at: datetime
    source: int
    id: int


class FeedRow(NamedTuple):
    """A row of the Claims Feed. `amount` in dollars; `refused` is the printed key of a dead letter, for a requeue."""

    payment: str | None
    version: int | None
    clinic: str | None
    patient: str | None
    charge_type: str | None
    amount: Money | None
    saved_at: datetime | None
    status: str
    reason: str | None
    attempts: int
    application: str
    detail: str
    next_try_at: datetime | None
    refused: str | None


class PositionedFeedRow(NamedTuple):
    """A row of the feed and its cursor."""

    cursor: FeedCursor
    row: FeedRow


@dataclass(frozen=True, slots=True)
class FeedSum:
    """Number of payments with a status and reason, and their sum in dollars."""

    status: str
    reason: str | None
    count: int
    total: Money


_FIELDS = ", ".join(FeedRow._fields)
_LINE_COLUMNS = """
saved_at AS cursor_at, 0 AS cursor_source, id AS cursor_id,
clinic_id || '/' || payment_id || '/' || line_id AS payment, version, clinic_id AS clinic, patient_id AS patient,
charge_type, CASE WHEN deleted THEN 0.00 ELSE amount_paid END AS amount, saved_at, status, reason, attempts,
application, detail, due_at AS next_try_at, NULL::text AS refused
"""
_DEAD_LETTER_AT = "coalesce(saved_at, received_at)"
_DEAD_LETTER_COLUMNS = f"""
{_DEAD_LETTER_AT}, 1, id, clinic_id || '/' || payment_id || '/' || line_id, version, clinic_id, patient_id,
charge_type, amount_paid, saved_at, status, reason, attempts, 'none', error, due_at, 'refused:' || id
"""
_WHOLE_LINES = "status IS NOT NULL AND id NOT IN (SELECT line_ref FROM current_dead_letters WHERE line_ref IS NOT NULL)"


def read(tx: Transaction, feed_filter: FeedFilter, order: FeedOrder = FeedOrder.OLDEST) -> list[FeedRow]:
    """Return all rows that match, in this order."""
    found = tx.execute(
        text(_as_of(feed_filter, f"{_whole(feed_filter, _FIELDS)} ORDER BY {order.value}")), parameters(feed_filter)
    )
    return [FeedRow._make(row) for row in found]


def read_page(
    tx: Transaction, feed_filter: FeedFilter, after: FeedCursor | None, limit: int
) -> list[PositionedFeedRow]:
    """Return up to `limit` rows after a cursor, newest save first."""
    fields = f"cursor_at, cursor_source, cursor_id, {_FIELDS}"
    if feed_filter.as_of is None:
        rows = _page(feed_filter, fields, after)
    else:
        position = f"WHERE {_after(after)}" if after else ""
        rows = f"{_whole(feed_filter, fields)} {position} ORDER BY {FeedOrder.NEWEST.value} LIMIT :limit"
    page = {"limit": limit} | ({"after_at": after.at, "after_id": after.id} if after else {})
    found = tx.execute(text(_as_of(feed_filter, rows)), parameters(feed_filter) | page)
    return [PositionedFeedRow(FeedCursor._make(row[:3]), FeedRow._make(row[3:])) for row in found]


def sums(tx: Transaction, feed_filter: FeedFilter) -> list[FeedSum]:
    """Return the feed summed by status and reason, the largest group first."""
    totals = "status, reason, count(*) AS count, coalesce(sum(amount), 0.00) AS total"
    grouped = f"{_whole(feed_filter, totals)} GROUP BY status, reason ORDER BY count(*) DESC, status, reason"
    found = tx.execute(text(_as_of(feed_filter, grouped)), parameters(feed_filter))
    return [FeedSum(**row) for row in found.mappings()]


def clinics_of_dead_letters(tx: Transaction, ids: Sequence[int]) -> dict[int, str | None]:
    """Return the clinic that each of these dead letters names, by id; None if it names none."""
    found = tx.execute(text("SELECT id, clinic_id FROM set_aside WHERE id = ANY(:ids)"), {"ids": list(ids)})
    return {row.id: row.clinic_id for row in found}


def _whole(feed_filter: FeedFilter, fields: str) -> str:
    """Return the query of all rows: the database decides once for all dead letters which of them count."""
    clinics = "" if feed_filter.clinics is None else "AND clinic_id = ANY(CAST(:clinics AS text[]))"
    return (
        f"WITH {current_dead_letters()} SELECT {fields} FROM ("
        f"SELECT {_LINE_COLUMNS} FROM lines WHERE {_WHOLE_LINES} {line_conditions(feed_filter)} {clinics} UNION ALL "
        f"SELECT {_DEAD_LETTER_COLUMNS} FROM current_dead_letters "
        f"WHERE true {dead_letter_conditions(feed_filter)}) AS feed"
    )


def _page(feed_filter: FeedFilter, fields: str, after: FeedCursor | None) -> str:
    """Return the query of one page: two index scans in the order of the save, whatever the page's position."""
    where = f"{LINE_IS_CURRENT} {line_conditions(feed_filter)} {_after_cursor(after, 'saved_at', LINE)}"
    newest = "ORDER BY saved_at DESC, id DESC LIMIT :limit"
    lines = f"SELECT * FROM lines WHERE {where} {newest}"
    if feed_filter.clinics is not None:
        # The newest rows of each clinic, by the index of that clinic.
        own = f"SELECT * FROM lines WHERE clinic_id = seen.clinic AND {where} {newest}"
        lines = f"SELECT own.* FROM unnest(CAST(:clinics AS text[])) AS seen(clinic), LATERAL ({own}) AS own"
    dead_letters = (
        f"{DEAD_LETTER_IS_CURRENT} {dead_letter_conditions(feed_filter)} "
        f"{_after_cursor(after, _DEAD_LETTER_AT, DEAD_LETTER)} "
        f"ORDER BY {_DEAD_LETTER_AT} DESC, id DESC LIMIT :limit"
    )
    return (
        f"SELECT {fields} FROM ((SELECT {_LINE_COLUMNS} FROM ({lines}) AS lines {newest}) UNION ALL "
        f"(SELECT {_DEAD_LETTER_COLUMNS} FROM set_aside WHERE {dead_letters})) AS feed "
        f"ORDER BY {FeedOrder.NEWEST.value} LIMIT :limit"
    )


def _after_cursor(after: FeedCursor | None, moment: str, source: int) -> str:
    """Return the condition that a row of one source comes after the cursor, in the form that its index serves."""
    if after is None:
        return ""
    if source == after.source:
        return f"AND ({moment}, id) < (:after_at, :after_id)"
    return f"AND {moment} {'<=' if source > after.source else '<'} :after_at"


def _after(after: FeedCursor) -> str:
    """Return the same condition on a row of either source."""
    return (
        f"(cursor_at < :after_at OR cursor_at = :after_at AND (cursor_source > {int(after.source)} "
        f"OR cursor_source = {int(after.source)} AND cursor_id < :after_id))"
    )


def _as_of(feed_filter: FeedFilter, query: str) -> str:
    return as_of_query(feed_filter.as_of, "lines set_aside patients charges", query)
