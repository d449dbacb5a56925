"""The payments that a requeue run selects: counted and grouped for its preview, then read in pages."""

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from payments.contract.keys import ClinicKey, LineKey
from payments.contract.money import Money
from payments.core.month import MonthState
from payments.core.outcome import Reason
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.feed.current import DEAD_LETTER_IS_CURRENT, LINE_IS_CURRENT
from payments.store.feed.feed_filter import FeedFilter, dead_letter_conditions, line_conditions_in_scope, parameters


class RequeueCandidate(NamedTuple):
    """A line to requeue: its row id and its key."""

    line_ref: int
    key: LineKey


class RequeueGroup(NamedTuple):
    """A group of lines that would get the same result from a requeue. `total` is the sum of the lines in dollars.

    `month` is the first day of the month of their transaction dates. It is None if only deletions of the lines have
    arrived. `month_state` is the state of this month. `has_amount_due` is False if the Amount Due of the lines is 0.00.
    `has_amount` is False if their amount paid is 0.00.
    """

    company_id: str
    clinic_id: str
    charge_type: str | None
    internal_payment: bool | None
    reason: Reason | None
    month: date | None
    is_sent: bool
    has_amount_due: bool
    has_amount: bool
    is_patient_known: bool
    month_state: MonthState
    line_count: int
    total: Money

    @property
    def clinic(self) -> ClinicKey:
        """The key of the lines' clinic."""
        return ClinicKey(self.company_id, self.clinic_id)


class RowIds(NamedTuple):
    """A range of row ids: the ids that are higher than `after`, up to and including `last`."""

    after: int
    last: int


def count(tx: Transaction, feed_filter: FeedFilter) -> int:
    """Count the lines and dead letters that a run would select. Reads all of them."""
    found = tx.execute(
        text(f"SELECT count(*) FROM lines WHERE {LINE_IS_CURRENT} {line_conditions_in_scope(feed_filter)}"),
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


_GROUPS_QUERY = f"""
WITH selected AS (
    SELECT company_id, clinic_id, patient_id, charge_type, internal_payment, reason,
        date_trunc('month', transaction_date)::date AS month, coalesce(paid, false) AND NOT deleted AS is_sent,
        coalesce(amount_due, 0) <> 0 AS has_amount_due,
        CASE WHEN deleted THEN 0.00 ELSE coalesce(amount_paid, 0.00) END AS amount
    FROM lines WHERE {LINE_IS_CURRENT} {{0}}
),
grouped AS (
    SELECT selected.company_id, clinic_id, charge_type, internal_payment, reason, month, is_sent, has_amount_due,
        amount <> 0 AS has_amount, patients.known_at IS NOT NULL AS is_patient_known, count(*) AS line_count,
        sum(amount) AS total
    FROM selected LEFT JOIN patients
        ON patients.company_id = selected.company_id AND patients.patient_id = selected.patient_id
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
)
SELECT grouped.company_id, clinic_id, charge_type, internal_payment, reason, grouped.month, is_sent,
    has_amount_due, has_amount, is_patient_known,
    CASE WHEN coalesce(grouped.month <= months_closed_through(grouped.company_id), false)
        THEN 'CLOSED' ELSE coalesce(company_months.state, 'OPEN') END AS month_state, line_count, total
FROM grouped LEFT JOIN company_months
    ON company_months.company_id = grouped.company_id AND company_months.month = grouped.month
"""


def group_candidates(tx: Transaction, feed_filter: FeedFilter) -> list[RequeueGroup]:
    """Return the lines that a requeue run would select, in groups.

    All lines of a group would get the same result, because all fields of RequeueGroup except the number and the total
    are the same.
    """
    found = tx.execute(text(_GROUPS_QUERY.format(line_conditions_in_scope(feed_filter))), parameters(feed_filter))
    return [
        RequeueGroup(
            **{**row}
            | {
                "reason": Reason(row["reason"]) if row["reason"] else None,
                "month_state": MonthState(row["month_state"]),
            }
        )
        for row in found.mappings()
    ]


@dataclass(frozen=True, slots=True)
class DeadLetterGroup:
    """The number of dead letters with the same reason."""

    reason: Reason
    count: int


def dead_letter_groups(tx: Transaction, feed_filter: FeedFilter) -> list[DeadLetterGroup]:
    """Count the dead letters that a run would select, by reason."""
    found = tx.execute(
        text(
            f"SELECT reason, count(*) FROM set_aside WHERE {DEAD_LETTER_IS_CURRENT} "
            f"{dead_letter_conditions(feed_filter)} GROUP BY 1 ORDER BY 1"
        ),
        parameters(feed_filter),
    )
    return [DeadLetterGroup(Reason(reason), count) for reason, count in found]


def lines_page(tx: Transaction, feed_filter: FeedFilter, ids: RowIds, limit: int) -> list[RequeueCandidate]:
    """Return up to `limit` selected lines in a range of row ids, in ascending order."""
    found = tx.execute(
        text(
            "SELECT id, company_id, clinic_id, payment_id, line_id FROM lines "
            f"WHERE {LINE_IS_CURRENT} {line_conditions_in_scope(feed_filter)} "
            "AND id > :after AND id <= :last ORDER BY id LIMIT :limit"
        ),
        parameters(feed_filter) | ids._asdict() | {"limit": limit},
    )
    return [RequeueCandidate(row[0], LineKey._make(row[1:])) for row in found]


def dead_letters_page(tx: Transaction, feed_filter: FeedFilter, ids: RowIds, limit: int) -> list[int]:
    """Return the ids of up to `limit` selected dead letters in a range of ids, in ascending order."""
    found = tx.execute(
        text(
            f"SELECT id FROM set_aside WHERE {DEAD_LETTER_IS_CURRENT} {dead_letter_conditions(feed_filter)} "
            "AND id > :after AND id <= :last ORDER BY id LIMIT :limit"
        ),
        parameters(feed_filter) | ids._asdict() | {"limit": limit},
    )
    return list(found.scalars())


class HighestRowIds(NamedTuple):
    """The highest row ids of lines and of dead letters. They are 0 for an empty table."""

    line: int
    dead_letter: int


def highest_row_ids(tx: Transaction) -> HighestRowIds:
    """Return the highest row ids that lines and dead letters have now."""
    found = tx.execute(
        text(
            "SELECT (SELECT coalesce(max(id), 0) FROM lines) AS line, "
            "(SELECT coalesce(max(id), 0) FROM set_aside) AS dead_letter"
        )
    )
    return HighestRowIds(**found.mappings().one())
