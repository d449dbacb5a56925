"""The Claims Feed: one row per line, with its newest version."""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from payments.contract.money import Money
from payments.core.sorting import Sort, Window
from payments.store.db.connection import Transaction
from payments.store.db.keyset import Keyset, PositionedRow, order_by
from payments.store.db.statement import text
from payments.store.db.streaming import disable_nested_loops, read_batches
from payments.store.feed.current import current_dead_letters_cte
from payments.store.feed.feed_filter import FeedFilter, parameters
from payments.store.reports import claims_feed_query as query
from payments.store.reports.claims_feed_query import (
    BY_SAVE,
    DEAD_LETTER_SOURCE,
    FEED_FIELDS,
    JOIN_NAMES,
    LINE_SOURCE,
    SORTS,
    FeedRow,
)
from payments.store.reports.summary import Summary, read_summary

__all__ = ["BY_SAVE", "DEAD_LETTER_SOURCE", "LINE_SOURCE", "SORTS", "FeedRow"]

NEWEST_FIRST = Sort(BY_SAVE, is_descending=True)


@dataclass(frozen=True, slots=True)
class FeedSum:
    """The number of payments with a status and reason, and their sum in dollars."""

    status: str
    reason: str | None
    count: int
    total: Money


_END_OF_TIME = datetime.max.replace(tzinfo=UTC)
_TOTAL_COLUMNS = "count(*) AS count, coalesce(sum(amount), 0.00) AS total"


def stream(tx: Transaction, feed_filter: FeedFilter) -> Iterator[FeedRow]:
    """Yield all matching rows, oldest save first. Events without a readable save time come last."""
    if feed_filter.as_of is None:
        lines = query.lines_one_by_one(feed_filter)
    else:
        lines = f"WITH {current_dead_letters_cte()} {query.whole_lines(feed_filter)}"
        disable_nested_loops(tx)
    dead_letters = f"WITH {current_dead_letters_cte()} {query.whole_dead_letters(feed_filter)}"
    oldest = "ORDER BY saved_at NULLS LAST, cursor_id"
    sources = [
        _read_rows(tx, feed_filter, f"SELECT {FEED_FIELDS} FROM ({source}) AS feed {JOIN_NAMES} {oldest}")
        for source in (lines, dead_letters)
    ]
    return heapq.merge(*sources, key=lambda row: row.saved_at or _END_OF_TIME)


def stream_sorted(tx: Transaction, feed_filter: FeedFilter, sort: Sort) -> Iterator[FeedRow]:
    """Yield all matching rows in the order of a column. Without an index, PostgreSQL sorts all of them first."""
    disable_nested_loops(tx)
    return _read_rows(
        tx,
        feed_filter,
        f"{query.whole_feed(feed_filter, FEED_FIELDS)} {JOIN_NAMES} {order_by(SORTS[sort.column], sort)}",
    )


def _read_rows(tx: Transaction, feed_filter: FeedFilter, statement: str) -> Iterator[FeedRow]:
    is_selective = feed_filter.patient is not None or feed_filter.payment is not None
    as_of = query.as_of(feed_filter, statement)
    for rows in read_batches(tx, as_of, parameters(feed_filter), is_selective=is_selective):
        yield from map(FeedRow._make, rows)


def read_page(
    tx: Transaction, feed_filter: FeedFilter, window: Window, sort: Sort = NEWEST_FIRST
) -> list[PositionedRow[FeedRow]]:
    """Return the rows of a page.

    The query reads all matching rows, unless the feed is sorted by BY_SAVE and `feed_filter` has no `as_of`.
    """
    keyset = Keyset(SORTS[sort.column], sort.is_descending, window)
    if feed_filter.as_of is not None:
        disable_nested_loops(tx)
        fields = f"{keyset.columns}, {FEED_FIELDS}"
        rows = f"{query.whole_feed(feed_filter, fields)} {JOIN_NAMES} WHERE true{keyset.condition} {keyset.order_by}"
    elif sort.column == BY_SAVE:
        rows = query.rows_by_save(feed_filter, FEED_FIELDS, keyset)
    else:
        rows = query.sorted_rows(feed_filter, FEED_FIELDS, keyset)
    found = tx.execute(text(query.as_of(feed_filter, rows)), parameters(feed_filter) | keyset.parameters)
    return keyset.in_order(keyset.positioned(row, FeedRow._make) for row in found)


def summarize(tx: Transaction, feed_filter: FeedFilter, limit: int | None = None) -> Summary:
    """Count the matching rows and add up their amounts. With `limit`, stop after that many rows."""
    if limit is None or feed_filter.as_of is not None:
        disable_nested_loops(tx)
        rows = query.whole_feed(feed_filter, _TOTAL_COLUMNS)
    else:
        rows = f"SELECT {_TOTAL_COLUMNS} FROM ({query.first_amounts(feed_filter, limit)}) AS first_ones"
    return read_summary(tx, query.as_of(feed_filter, rows), parameters(feed_filter), limit)


def sums(tx: Transaction, feed_filter: FeedFilter) -> list[FeedSum]:
    """Return the sums of the feed by status and reason, the largest group first."""
    totals = f"status, reason, {_TOTAL_COLUMNS}"
    disable_nested_loops(tx)
    grouped = f"{query.whole_feed(feed_filter, totals)} GROUP BY status, reason ORDER BY count(*) DESC, status, reason"
    found = tx.execute(text(query.as_of(feed_filter, grouped)), parameters(feed_filter))
    return [FeedSum(**row) for row in found.mappings()]
