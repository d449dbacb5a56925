"""The rows of the Claims Feed as parts of SQL queries: one row per line, with its newest version.

`payments.store.feed.current` defines which dead letters are current. The queries of pages check each dead letter,
through an index. The queries of sums and of an earlier moment select all current dead letters together.
"""

from datetime import datetime
from typing import NamedTuple

from payments.contract.money import Money
from payments.core.scope import EVERYTHING
from payments.store.db.as_of import as_of_query
from payments.store.db.conditions import rows_of_each_clinic
from payments.store.db.keyset import Keyset, SortKey
from payments.store.db.patient_names import join_names
from payments.store.feed.current import DEAD_LETTER_IS_CURRENT, LINE_IS_CURRENT_IN_ORDER, current_dead_letters_cte
from payments.store.feed.feed_columns import (
    DEAD_LETTER_TIME,
    LINE_AMOUNT,
    current_dead_letter_columns,
    dead_letter_columns,
    line_columns,
)
from payments.store.feed.feed_filter import (
    FeedFilter,
    dead_letter_conditions,
    line_conditions,
    line_conditions_in_scope,
)
from payments.store.reports.summary import first_rows

LINE_SOURCE, DEAD_LETTER_SOURCE = 0, 1
"""The source of a row: a line that was processed, or a dead letter."""


class FeedRow(NamedTuple):
    """A row of the Claims Feed. Amounts are in dollars.

    - `refused`: the printed key of a dead letter, by which it is requeued; None for a line.
    - `posted`: the posted state; None for a refused patient or charge.
    - `posted_amount`: the amount that the ledger holds.
    - `difference`: the EMR's amount less `posted_amount`; None if the EMR's amount is unreadable.
    - `patient_name`: the current name of the patient; None if the EMR has not sent it.
    """

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
    posted: str | None
    posted_amount: Money
    difference: Money | None
    patient_name: str | None


FEED_FIELDS = ", ".join(FeedRow._fields)
BY_SAVE = "saved_at"
_UNIQUE_SORT_KEYS = (SortKey("cursor_source", "integer"), SortKey("cursor_id", "bigint"))
SORTS = (
    {
        BY_SAVE: (SortKey("cursor_at", "timestamptz"), *_UNIQUE_SORT_KEYS),
        # Patients are in the order of their names; those without a name come first, in the order of their ids.
        "patient": (
            SortKey.of_nullable("patient_name", "text"),
            SortKey.of_nullable("patient", "text"),
            *_UNIQUE_SORT_KEYS,
        ),
        "attempts": (SortKey("attempts", "bigint"), *_UNIQUE_SORT_KEYS),
    }
    | {
        name: (SortKey.of_nullable(name, "numeric"), *_UNIQUE_SORT_KEYS)
        for name in ("amount", "posted_amount", "difference")
    }
    | {
        name: (SortKey.of_nullable(name, "text"), *_UNIQUE_SORT_KEYS)
        for name in ("payment", "clinic", "charge_type", "status", "reason", "company", "posted")
    }
)
"""The sort keys of each column by which the feed can be sorted. Only the order BY_SAVE has indexes."""
JOIN_NAMES = join_names("feed", "company", "patient")
_IS_IN_WHOLE_FEED = (
    "status IS NOT NULL "
    "AND NOT EXISTS (SELECT FROM current_dead_letters "
    "WHERE current_dead_letters.company_id = lines.company_id AND current_dead_letters.line_ref = lines.id)"
)


def whole_feed(feed_filter: FeedFilter, fields: str) -> str:
    """Return the query of all rows. It selects the current dead letters once, for all rows together."""
    return (
        f"WITH {current_dead_letters_cte()} SELECT {fields} FROM ("
        f"{whole_lines(feed_filter)} UNION ALL {whole_dead_letters(feed_filter)}) AS feed"
    )


def whole_lines(feed_filter: FeedFilter) -> str:
    """Return the query of all rows that are lines. It needs the CTE of the current dead letters."""
    columns = line_columns(feed_filter.scope, as_of=feed_filter.as_of is not None)
    return f"SELECT {columns} FROM lines WHERE {_IS_IN_WHOLE_FEED} {line_conditions_in_scope(feed_filter)}"


def whole_dead_letters(feed_filter: FeedFilter) -> str:
    """Return the query of all rows that are dead letters. It needs the CTE of the current dead letters."""
    where = dead_letter_conditions(feed_filter, "current_dead_letters")
    return f"SELECT {current_dead_letter_columns(feed_filter.scope)} FROM current_dead_letters WHERE true {where}"


def lines_one_by_one(feed_filter: FeedFilter, columns: str = "") -> str:
    """Return the query of all rows that are lines. For each line, it finds the superseding dead letters by an index."""
    where = f"{LINE_IS_CURRENT_IN_ORDER} {line_conditions_in_scope(feed_filter)}"
    return f"SELECT {columns or line_columns(feed_filter.scope)} FROM lines WHERE {where}"


def first_amounts(feed_filter: FeedFilter, limit: int) -> str:
    """Return the query of the amounts of the matching rows. With a limit, it stops reading after that many rows."""
    first = first_rows(limit)
    return (
        f"SELECT amount FROM (({lines_one_by_one(feed_filter, f'{LINE_AMOUNT} AS amount')} {first}) UNION ALL "
        f"({_dead_letters_one_by_one(feed_filter, 'amount_paid AS amount')} {first})) AS feed {first}"
    )


def sorted_rows(feed_filter: FeedFilter, fields: str, keyset: Keyset) -> str:
    """Return the query of a page in an order without an index. It reads all matching rows."""
    return (
        f"SELECT {keyset.columns}, {fields} FROM ({lines_one_by_one(feed_filter)} UNION ALL "
        f"{_dead_letters_one_by_one(feed_filter)}) AS feed {JOIN_NAMES} WHERE true{keyset.condition} {keyset.order_by}"
    )


def rows_by_save(feed_filter: FeedFilter, fields: str, keyset: Keyset) -> str:
    """Return the query of a page in the order of the save. It takes two index scans, regardless of the position."""
    direction = "DESC" if keyset.reads_descending else "ASC"
    is_beyond = _is_beyond_position(keyset, "saved_at", LINE_SOURCE)
    where = f"{LINE_IS_CURRENT_IN_ORDER} {line_conditions(feed_filter)} {is_beyond}"
    order = f"ORDER BY saved_at {direction}, id {direction} {keyset.limit}"
    lines = f"SELECT * FROM lines WHERE {where} {order}"
    if feed_filter.scope != EVERYTHING:
        lines = rows_of_each_clinic(feed_filter.scope, "lines", f"{where} {order}")
    dead_letters = (
        f"{DEAD_LETTER_IS_CURRENT} {dead_letter_conditions(feed_filter)} "
        f"{_is_beyond_position(keyset, DEAD_LETTER_TIME, DEAD_LETTER_SOURCE)} "
        f"ORDER BY {DEAD_LETTER_TIME} {direction}, id {direction} {keyset.limit}"
    )
    of_line, of_dead_letter = line_columns(feed_filter.scope), dead_letter_columns(feed_filter.scope)
    return (
        f"SELECT {keyset.columns}, {fields} FROM ((SELECT {of_line} FROM ({lines}) AS lines {order}) UNION ALL "
        f"(SELECT {of_dead_letter} FROM set_aside WHERE {dead_letters})) AS feed {JOIN_NAMES} {keyset.order_by}"
    )


def as_of(feed_filter: FeedFilter, query: str) -> str:
    """Return the query, changed to read the tables as they were at the moment `as_of` of the filter, if it has one."""
    return as_of_query(feed_filter.as_of, "lines set_aside patients charges entries entry_links findings", query)


def _dead_letters_one_by_one(feed_filter: FeedFilter, columns: str = "") -> str:
    where = f"{DEAD_LETTER_IS_CURRENT} {dead_letter_conditions(feed_filter)}"
    return f"SELECT {columns or dead_letter_columns(feed_filter.scope)} FROM set_aside WHERE {where}"


def _is_beyond_position(keyset: Keyset, moment: str, source: int) -> str:
    """Return the condition that a row of one source is beyond the position of a page. An index supports it."""
    if keyset.window.position is None:
        return ""
    _, source_of_position, _ = keyset.window.position
    at = "CAST(:position_0 AS timestamptz)"
    if source == source_of_position:
        return f"AND ({moment}, id) {keyset.comparison} ({at}, CAST(:position_2 AS bigint))"
    # Rows of the same moment are sorted by source, in the direction of the list.
    comes_later = (source > int(str(source_of_position))) != keyset.reads_descending
    return f"AND {moment} {keyset.comparison}{'=' if comes_later else ''} {at}"
