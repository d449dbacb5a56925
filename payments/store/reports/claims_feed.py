"""The Claims Feed: one row per line, with its newest version.

The rule that decides which dead letters are current (`payments.store.feed.current`) is applied row by row through an
index for pages, and to all dead letters together for sums and for the feed as of an earlier moment.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from payments.contract.money import Money
from payments.core.scope import EVERYTHING
from payments.store.db.as_of import as_of_query
from payments.store.db.conditions import in_scope, rows_of_each_clinic
from payments.store.db.connection import Transaction
from payments.store.db.printed_key import printed_key
from payments.store.db.statement import text
from payments.store.db.streaming import batches, read_as_sets
from payments.store.feed.current import DEAD_LETTER_IS_CURRENT, LINE_IS_CURRENT_IN_ORDER, current_dead_letters_cte
from payments.store.feed.feed_filter import FeedFilter, dead_letter_conditions, line_conditions, parameters

LINE, DEAD_LETTER = 0, 1
"""The source of a row: a line that was processed, or a dead letter."""


class FeedCursor(NamedTuple):
    """Position of a row in the feed, newest first: its time, source and row id.

    The time is that of the save, or of the arrival if the save time is unknown.
    """

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
    company: str | None


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
saved_at AS cursor_at, 0 AS cursor_source, id AS cursor_id, {payment} AS payment, version,
clinic_id AS clinic, patient_id AS patient,
charge_type, CASE WHEN deleted THEN 0.00 ELSE amount_paid END AS amount, saved_at, status, reason, attempts,
application, detail, due_at AS next_try_at, NULL::text AS refused, company_id AS company
"""
_DEAD_LETTER_AT = "coalesce(saved_at, received_at)"
_DEAD_LETTER_COLUMNS = f"""
{_DEAD_LETTER_AT} AS cursor_at, 1 AS cursor_source, id AS cursor_id, {{payment}} AS payment, version,
clinic_id AS clinic, patient_id AS patient,
charge_type, amount_paid AS amount, saved_at, status, reason, attempts,
'none' AS application, error AS detail, due_at AS next_try_at, 'refused:' || id AS refused,
company_id AS company
"""
_NEWEST_FIRST = "cursor_at DESC, cursor_source, cursor_id DESC"
_IN_WHOLE_FEED = (
    "status IS NOT NULL "
    "AND NOT EXISTS (SELECT FROM current_dead_letters "
    "WHERE current_dead_letters.company_id = lines.company_id AND current_dead_letters.line_ref = lines.id)"
)
_LAST = datetime.max.replace(tzinfo=UTC)


def stream(tx: Transaction, feed_filter: FeedFilter) -> Iterator[FeedRow]:
    """Yield all rows that match, oldest save first. Events without a readable save time come last."""
    if feed_filter.as_of is None:
        lines = (
            f"SELECT {_columns(feed_filter, _LINE_COLUMNS)} FROM lines WHERE {LINE_IS_CURRENT_IN_ORDER} "
            f"{_conditions_on_lines(feed_filter)}"
        )
    else:
        lines = f"WITH {current_dead_letters_cte()} {_whole_lines(feed_filter)}"
        read_as_sets(tx)
    dead_letters = f"WITH {current_dead_letters_cte()} {_whole_dead_letters(feed_filter)}"
    sources = [
        _read_rows(tx, feed_filter, f"SELECT {_FIELDS} FROM ({source}) AS feed ORDER BY saved_at NULLS LAST, cursor_id")
        for source in (lines, dead_letters)
    ]
    return heapq.merge(*sources, key=lambda row: row.saved_at or _LAST)


def _read_rows(tx: Transaction, feed_filter: FeedFilter, query: str) -> Iterator[FeedRow]:
    is_selective = feed_filter.patient is not None or feed_filter.payment is not None
    for rows in batches(tx, _as_of(feed_filter, query), parameters(feed_filter), is_selective=is_selective):
        yield from map(FeedRow._make, rows)


def read_page(
    tx: Transaction, feed_filter: FeedFilter, after: FeedCursor | None, limit: int
) -> list[PositionedFeedRow]:
    """Return up to `limit` rows after a cursor, newest save first."""
    fields = f"cursor_at, cursor_source, cursor_id, {_FIELDS}"
    if feed_filter.as_of is None:
        rows = _page(feed_filter, fields, after)
    else:
        read_as_sets(tx)
        position = f"WHERE {_after(after)}" if after else ""
        rows = f"{_whole(feed_filter, fields)} {position} ORDER BY {_NEWEST_FIRST} LIMIT :limit"
    page = {"limit": limit} | ({"after_at": after.at, "after_id": after.id} if after else {})
    found = tx.execute(text(_as_of(feed_filter, rows)), parameters(feed_filter) | page)
    return [PositionedFeedRow(FeedCursor._make(row[:3]), FeedRow._make(row[3:])) for row in found]


def sums(tx: Transaction, feed_filter: FeedFilter) -> list[FeedSum]:
    """Return the feed summed by status and reason, the largest group first."""
    totals = "status, reason, count(*) AS count, coalesce(sum(amount), 0.00) AS total"
    read_as_sets(tx)
    grouped = f"{_whole(feed_filter, totals)} GROUP BY status, reason ORDER BY count(*) DESC, status, reason"
    found = tx.execute(text(_as_of(feed_filter, grouped)), parameters(feed_filter))
    return [FeedSum(**row) for row in found.mappings()]


def _whole(feed_filter: FeedFilter, fields: str) -> str:
    """Return the query of all rows. It computes the current dead letters once, as a set."""
    return (
        f"WITH {current_dead_letters_cte()} SELECT {fields} FROM ("
        f"{_whole_lines(feed_filter)} UNION ALL {_whole_dead_letters(feed_filter)}) AS feed"
    )


def _whole_lines(feed_filter: FeedFilter) -> str:
    columns = _columns(feed_filter, _LINE_COLUMNS)
    return f"SELECT {columns} FROM lines WHERE {_IN_WHOLE_FEED} {_conditions_on_lines(feed_filter)}"


def _whole_dead_letters(feed_filter: FeedFilter) -> str:
    where = dead_letter_conditions(feed_filter, "current_dead_letters")
    return f"SELECT {_columns(feed_filter, _DEAD_LETTER_COLUMNS)} FROM current_dead_letters WHERE true {where}"


def _columns(feed_filter: FeedFilter, columns: str) -> str:
    return columns.format(payment=printed_key(feed_filter.scope))


def _conditions_on_lines(feed_filter: FeedFilter) -> str:
    return line_conditions(feed_filter) + in_scope(feed_filter.scope, "lines")


def _page(feed_filter: FeedFilter, fields: str, after: FeedCursor | None) -> str:
    """Return the query of one page: two index scans in the order of the save, at any position of the page."""
    where = f"{LINE_IS_CURRENT_IN_ORDER} {line_conditions(feed_filter)} {_after_cursor(after, 'saved_at', LINE)}"
    newest = "ORDER BY saved_at DESC, id DESC LIMIT :limit"
    lines = f"SELECT * FROM lines WHERE {where} {newest}"
    if feed_filter.scope != EVERYTHING:
        lines = rows_of_each_clinic(feed_filter.scope, "lines", f"{where} {newest}")
    dead_letters = (
        f"{DEAD_LETTER_IS_CURRENT} {dead_letter_conditions(feed_filter)} "
        f"{_after_cursor(after, _DEAD_LETTER_AT, DEAD_LETTER)} "
        f"ORDER BY {_DEAD_LETTER_AT} DESC, id DESC LIMIT :limit"
    )
    of_line, of_dead_letter = (_columns(feed_filter, each) for each in (_LINE_COLUMNS, _DEAD_LETTER_COLUMNS))
    return (
        f"SELECT {fields} FROM ((SELECT {of_line} FROM ({lines}) AS lines {newest}) UNION ALL "
        f"(SELECT {of_dead_letter} FROM set_aside WHERE {dead_letters})) AS feed "
        f"ORDER BY {_NEWEST_FIRST} LIMIT :limit"
    )


def _after_cursor(after: FeedCursor | None, moment: str, source: int) -> str:
    """Return the condition that a row of one source comes after the cursor, in a form that can use an index."""
    if after is None:
        return ""
    if source == after.source:
        return f"AND ({moment}, id) < (:after_at, :after_id)"
    return f"AND {moment} {'<=' if source > after.source else '<'} :after_at"


def _after(after: FeedCursor) -> str:
    """Return the condition of `_after_cursor` for a row of either source."""
    return (
        f"(cursor_at < :after_at OR cursor_at = :after_at AND (cursor_source > {int(after.source)} "
        f"OR cursor_source = {int(after.source)} AND cursor_id < :after_id))"
    )


def _as_of(feed_filter: FeedFilter, query: str) -> str:
    return as_of_query(feed_filter.as_of, "lines set_aside patients charges", query)
