"""The number and amounts of payments by posted state, and the payments of a day by status and hour.

The queries find the current rows of the Claims Feed one by one, through partial indexes that contain only a small part
of the lines.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from payments.contract.money import Money
from payments.core.scope import Scope
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.feed.current import DEAD_LETTER_IS_CURRENT, LINE_IS_CURRENT
from payments.store.feed.feed_columns import dead_letter_columns, line_columns
from payments.store.feed.feed_filter import FeedFilter, dead_letter_conditions, line_conditions_in_scope, parameters
from payments.store.feed.posted import REASON_OF_STATE
from payments.store.tables import MAY_BE_UNPOSTED


@dataclass(frozen=True, slots=True)
class UnpostedSum:
    """The payments that are not posted for the same cause: number, amounts in dollars, and time of the oldest save.

    `posted` is the posted state. `reason` is set if the state is NOT_SENT or INVALID. `difference` is the EMR's amount
    less the amount that Billing holds. Events with an unreadable amount count, but add nothing to the amounts.
    """

    posted: str
    reason: str | None
    count: int
    emr_amount: Money
    posted_amount: Money
    difference: Money
    oldest_at: datetime


@dataclass(frozen=True, slots=True)
class HourlyStatus:
    """The number of payments with a status that were saved in an hour of a day. The first hour is 1."""

    status: str
    hour: int
    count: int


_UNPOSTED_SUMS_QUERY = f"""
SELECT posted, {REASON_OF_STATE} AS reason, count(*) AS count,
    coalesce(sum(emr_amount), 0.00) AS emr_amount, coalesce(sum(posted_amount), 0.00) AS posted_amount,
    coalesce(sum(difference), 0.00) AS difference, min(cursor_at) AS oldest_at
FROM ({{feed}}) AS feed WHERE posted <> 'posted' AND posted <> 'nothing_to_post'
GROUP BY 1, 2 ORDER BY oldest_at, posted, reason
"""
_DAY_BY_STATUS_QUERY = """
SELECT status, greatest(1, least(cardinality(CAST(:hours AS timestamptz[])),
    width_bucket(cursor_at, CAST(:hours AS timestamptz[])))) AS hour, count(*) AS count
FROM ({feed}) AS feed GROUP BY 1, 2
"""


def unposted_sums(tx: Transaction, feed_filter: FeedFilter) -> list[UnpostedSum]:
    """Return the payments that are not posted, summed by cause. Internal Payments are one of the causes.

    The cause with the oldest payment comes first.
    """
    query = _UNPOSTED_SUMS_QUERY.format(feed=unposted_rows(feed_filter))
    return [UnpostedSum(*row) for row in tx.execute(text(query), parameters(feed_filter))]


def unposted_rows(feed_filter: FeedFilter) -> str:
    """Return the query of the matching feed rows that are possibly not posted. It has the columns of `feed_columns`."""
    return current_rows(feed_filter, f"AND ({MAY_BE_UNPOSTED})")


def day_by_status(tx: Transaction, day: date, hours: Sequence[datetime], scope: Scope) -> list[HourlyStatus]:
    """Count the payments of the Claims Feed that were saved on a clinic-local day, by status and hour.

    `hours` are the moments at which the hours begin. If a clinic in another time zone saved a payment of this day
    before or after these hours, the payment counts in the first or the last hour.
    """
    feed_filter = FeedFilter(since=day, until=day, scope=scope)
    found = tx.execute(
        text(_DAY_BY_STATUS_QUERY.format(feed=current_rows(feed_filter))),
        parameters(feed_filter) | {"hours": list(hours)},
    )
    return [HourlyStatus(*row) for row in found]


def current_rows(feed_filter: FeedFilter, of_lines: str = "") -> str:
    """Return the query of the matching current rows of the feed. It has the columns of `feed_columns`.

    `of_lines` is a further condition on lines.
    """
    scope = feed_filter.scope
    of_lines += line_conditions_in_scope(feed_filter)
    return (
        f"SELECT {line_columns(scope)} FROM lines WHERE {LINE_IS_CURRENT} {of_lines} UNION ALL "
        f"SELECT {dead_letter_columns(scope)} FROM set_aside "
        f"WHERE {DEAD_LETTER_IS_CURRENT} {dead_letter_conditions(feed_filter)}"
    )
