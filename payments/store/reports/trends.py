"""Payments by week or clinic: how much was paid in the EMR, and how much of it Billing holds."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from payments.contract.money import ZERO, Money
from payments.core.posted import NOT_IN_BILLING, PostedState
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.feed.feed_filter import FeedFilter, parameters
from payments.store.reports.posted_sums import current_rows


class TrendGroup(StrEnum):
    """What a row of the trends is about."""

    WEEK = "week"
    CLINIC = "clinic"


@dataclass(frozen=True, slots=True)
class TrendRow:
    """Payments that were saved in a week, or in a clinic. Amounts are in dollars.

    `week` is the Monday; `company` and `clinic` are None where they cannot be read. `paid` is the EMR's amount: it is
    `in_billing` plus `not_in_billing` plus `internal`, the Internal Payments.
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
        """The percentage of the payments for Billing that Billing holds; None without such payments."""
        wanted = self.in_billing + self.not_in_billing
        return (self.in_billing * 100 / wanted).quantize(Money("0.1")) if wanted > ZERO else None


_KEYS = {
    TrendGroup.WEEK: (
        "date_trunc('week', saved_on)::date AS week, NULL::text AS company, NULL::text AS clinic",
        "week",
    ),
    TrendGroup.CLINIC: ("NULL::date AS week, company, clinic", "company, clinic"),
}
_STATES = ", ".join(f"'{state}'" for state in sorted(NOT_IN_BILLING))
_TRENDS = f"""
SELECT {{keys}}, count(*) AS count, coalesce(sum(emr_amount), 0.00) AS paid,
    coalesce(sum(posted_amount), 0.00) AS in_billing,
    count(*) FILTER (WHERE posted IN ({_STATES})) AS not_in_billing_count,
    coalesce(sum(difference) FILTER (WHERE posted IN ({_STATES})), 0.00) AS not_in_billing,
    coalesce(sum(difference) FILTER (WHERE posted = '{PostedState.INTERNAL_PAYMENT}'), 0.00) AS internal
FROM ({{feed}}) AS feed GROUP BY {{order}} ORDER BY {{order}}
"""


def read(tx: Transaction, feed_filter: FeedFilter, group: TrendGroup) -> list[TrendRow]:
    """Return the payments of the Claims Feed that match, by week or clinic."""
    keys, order = _KEYS[group]
    query = _TRENDS.format(keys=keys, order=order, feed=current_rows(feed_filter))
    return [TrendRow(*row) for row in tx.execute(text(query), parameters(feed_filter))]
