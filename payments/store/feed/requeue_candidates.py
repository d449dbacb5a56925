"""The payments that a requeue run selects: counted and grouped for its preview, then read in pages."""

from datetime import date
from typing import NamedTuple

from payments.contract.keys import ClinicKey, LineKey
from payments.contract.money import Money
from payments.core.outcome import Reason
from payments.store.db.conditions import in_scope
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.feed.current import DEAD_LETTER_IS_CURRENT, LINE_IS_CURRENT
from payments.store.feed.feed_filter import FeedFilter, dead_letter_conditions, line_conditions, parameters


class RequeueCandidate(NamedTuple):
    """A line to requeue: its row id and its key."""

    line_ref: int
    key: LineKey


class RequeueGroup(NamedTuple):
    """Lines that are equal in everything that decides their eligibility, with their number and total in dollars.

    `month` is the first day of the month of their transaction dates, None if only a deletion of the line was received.
    `is_closed` says whether that month is closed.
    """

    company_id: str
    clinic_id: str
    charge_type: str | None
    internal_payment: bool | None
    reason: Reason | None
    month: date | None
    is_closed: bool
    line_count: int
    total: Money

    @property
    def clinic(self) -> ClinicKey:
        """The key of their clinic."""
        return ClinicKey(self.company_id, self.clinic_id)


class RowIds(NamedTuple):
    """A range of row ids: greater than `after`, up to and including `last`."""

    after: int
    last: int


def count(tx: Transaction, feed_filter: FeedFilter) -> int:
    """Count the lines and dead letters that a run would select. Reads all of them."""
    found = tx.execute(
        text(f"SELECT count(*) FROM lines WHERE {LINE_IS_CURRENT} {_on_lines(feed_filter)}"),
        parameters(feed_filter),
    )
    return int(found.scalar_one()) + count_dead_letters(tx, feed_filter)


def count_dead_letters(tx: Transaction, feed_filter: FeedFilter) -> int:
    """Count the dead letters that a run would select."""
    found = tx.execute(
        text(f"SELECT count(*) FROM set_aside WHERE {DEAD_LETTER_IS_CURRENT} {dead_letter_conditions(feed_filter)}"),
        parameters(feed_filter),
    )
    return int(found.scalar_one())


def groups(tx: Transaction, feed_filter: FeedFilter) -> list[RequeueGroup]:
    """Count and total the lines that a requeue run would select, by everything that decides their eligibility."""
    found = tx.execute(
        text(
            "WITH selected AS (SELECT clinic_id, company_id, charge_type, internal_payment, reason, "
            "date_trunc('month', transaction_date)::date AS month, count(*) AS line_count, "
            "coalesce(sum(CASE WHEN deleted THEN 0.00 ELSE amount_paid END), 0.00) AS total "
            f"FROM lines WHERE {LINE_IS_CURRENT} {_on_lines(feed_filter)} "
            "GROUP BY 1, 2, 3, 4, 5, 6) "
            "SELECT company_id, clinic_id, charge_type, internal_payment, reason, month, "
            "coalesce(month <= months_closed_through(company_id), false) AS is_closed, line_count, total FROM selected"
        ),
        parameters(feed_filter),
    )
    return [
        RequeueGroup(**{**row, "reason": Reason(row["reason"]) if row["reason"] else None}) for row in found.mappings()
    ]


def lines_page(tx: Transaction, feed_filter: FeedFilter, ids: RowIds, limit: int) -> list[RequeueCandidate]:
    """Return up to `limit` of the selected lines in a range of row ids, in ascending order."""
    found = tx.execute(
        text(
            "SELECT id, company_id, clinic_id, payment_id, line_id FROM lines "
            f"WHERE {LINE_IS_CURRENT} {_on_lines(feed_filter)} "
            "AND id > :after AND id <= :last ORDER BY id LIMIT :limit"
        ),
        parameters(feed_filter) | ids._asdict() | {"limit": limit},
    )
    return [RequeueCandidate(row[0], LineKey._make(row[1:])) for row in found]


def dead_letters_page(tx: Transaction, feed_filter: FeedFilter, ids: RowIds, limit: int) -> list[int]:
    """Return the ids of up to `limit` of the selected dead letters in a range of ids, in ascending order."""
    found = tx.execute(
        text(
            f"SELECT id FROM set_aside WHERE {DEAD_LETTER_IS_CURRENT} {dead_letter_conditions(feed_filter)} "
            "AND id > :after AND id <= :last ORDER BY id LIMIT :limit"
        ),
        parameters(feed_filter) | ids._asdict() | {"limit": limit},
    )
    return list(found.scalars())


class LastIds(NamedTuple):
    """The highest row ids of lines and of dead letters; 0 for an empty table."""

    line: int
    dead_letter: int


def last_ids(tx: Transaction) -> LastIds:
    """Return the current highest row ids of lines and dead letters."""
    found = tx.execute(
        text(
            "SELECT (SELECT coalesce(max(id), 0) FROM lines) AS line, "
            "(SELECT coalesce(max(id), 0) FROM set_aside) AS dead_letter"
        )
    )
    return LastIds(**found.mappings().one())


def _on_lines(feed_filter: FeedFilter) -> str:
    return line_conditions(feed_filter) + in_scope(feed_filter.scope, "lines")
