"""Payments by week or clinic: the amount paid in the EMR, and the part of it that Billing holds."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from payments.contract.money import ZERO, Money
from payments.core.posted import PostedState
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.feed.feed_filter import FeedFilter, parameters
from payments.store.feed.posted import IS_NOT_IN_BILLING
from payments.store.reports.posted_sums import current_rows


class TrendGroup(StrEnum):
    """The grouping of the trends: each row is a week or a clinic."""

    WEEK = "week"
    CLINIC = "clinic"


@dataclass(frozen=True, slots=True)
class TrendRow:
    """The payments that were saved in one week or in one clinic. Amounts are in dollars.

    `week` is a Monday. `company` and `clinic` are None if they are unreadable. `paid` is the amount in the EMR: the sum
    of `in_billing`, `not_in_billing` and `internal` (the Internal Payments).
    """

    week: date | None
    company: str | None
    clinic: str | None
    count: int
    paid: Money
    in_billing: Money
    not_in_billing_count: int
    not_in_billing: Money
    internal: Money

    @property
    def share(self) -> Money | None:
        """The percentage of the paid amount, except Internal Payments, that Billing holds. None if that amount is 0."""
        wanted = self.in_billing + self.not_in_billing
        return (self.in_billing * 100 / wanted).quantize(Money("0.1")) if wanted > ZERO else None


_KEY_COLUMNS_BY_GROUP = {
    TrendGroup.WEEK: (
        "date_trunc('week', saved_on)::date AS week, NULL::text AS company, NULL::text AS clinic",
        "week",
    ),
    TrendGroup.CLINIC: ("NULL::date AS week, company, clinic", "company, clinic"),
}
_TRENDS_QUERY = f"""
SELECT {{keys}}, count(*) AS count, coalesce(sum(emr_amount), 0.00) AS paid,
    coalesce(sum(posted_amount), 0.00) AS in_billing,
    count(*) FILTER (WHERE {IS_NOT_IN_BILLING}) AS not_in_billing_count,
    coalesce(sum(difference) FILTER (WHERE {IS_NOT_IN_BILLING}), 0.00) AS not_in_billing,
    coalesce(sum(difference) FILTER (WHERE posted = '{PostedState.INTERNAL_PAYMENT}'), 0.00) AS internal
FROM ({{feed}}) AS feed GROUP BY {{order}} ORDER BY {{order}}
"""


def read(tx: Transaction, feed_filter: FeedFilter, group: TrendGroup) -> list[TrendRow]:
    """Return the sums of the matching payments of the Claims Feed, by week or clinic."""
    keys, order = _KEY_COLUMNS_BY_GROUP[group]
    query = _TRENDS_QUERY.format(keys=keys, order=order, feed=current_rows(feed_filter))
    return [TrendRow(*row) for row in tx.execute(text(query), parameters(feed_filter))]
