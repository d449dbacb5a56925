"""The daily snapshot of each company's work queues: number, amount and age by cause and clinic.

There are two queues. The payments that are not in Billing are counted by posted state and reason, the open exceptions
by reason and case. Events whose company is unreadable are in no snapshot.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from payments.contract.money import Money
from payments.core.postponed_work import WorkItem, WorkKind
from payments.core.scope import Scope
from payments.store.db.conditions import has_not_moved, in_scope, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.feed.feed_filter import FeedFilter, parameters
from payments.store.feed.posted import IS_NOT_IN_BILLING, REASON_OF_STATE
from payments.store.ledger.postponed_work import is_postponed
from payments.store.reports.posted_sums import unposted_rows

SNAPSHOT_RETENTION = timedelta(days=400)
"""Snapshots that are older than this are deleted when another snapshot is written."""


class Queue(StrEnum):
    """A work queue. The values are stored in the snapshots."""

    NOT_IN_BILLING = "not_in_billing"
    EXCEPTIONS = "exceptions"


@dataclass(frozen=True, slots=True)
class QueueSize:
    """The size of a queue on a day for one cause: number, amount in dollars, and the time of its oldest item.

    `detail` is the reason of a payment, or the case of an exception of a closed month. It is empty if there is none.
    """

    day: date
    queue: str
    cause: str
    detail: str
    count: int
    amount: Money
    oldest_at: datetime


_WRITE_STATEMENT = f"""
INSERT INTO daily_queues (company_id, day, queue, cause, detail, clinic_id, count, amount, oldest_at)
SELECT :company_id, :day, '{Queue.NOT_IN_BILLING}', posted, coalesce({REASON_OF_STATE}, ''), coalesce(clinic, ''),
    count(*), coalesce(sum(difference), 0.00), min(cursor_at)
FROM ({{feed}}) AS feed WHERE {IS_NOT_IN_BILLING} GROUP BY 4, 5, 6
UNION ALL
SELECT :company_id, :day, '{Queue.EXCEPTIONS}', findings.reason_code, coalesce(closed_case, ''), clinic_id, count(*),
    sum(amount_now - amount_before), min(opened_at)
FROM findings JOIN lines ON lines.company_id = findings.company_id AND lines.id = line_ref
WHERE findings.company_id = :company_id AND findings.status = 'open' GROUP BY 4, 5, 6
"""
_IS_POSTPONED = is_postponed(WorkKind.SNAPSHOT_COMPANY, "companies.company_id", "''")
_NEXT_COMPANY_QUERY = f"""
SELECT company_id FROM companies WHERE company_id > :after AND {has_not_moved("companies")} AND NOT {_IS_POSTPONED}
ORDER BY company_id LIMIT 1
"""
_READ_QUERY = """
SELECT day, queue, cause, detail, sum(count) AS count, sum(amount) AS amount, min(oldest_at) AS oldest_at
FROM daily_queues WHERE day BETWEEN :since AND :until{scope} GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""


def next_company(tx: Transaction, after: str) -> WorkItem | None:
    """Return the next company after a company id, or None if no company follows. Postponed companies are skipped."""
    found = tx.execute(text(_NEXT_COMPANY_QUERY), {"after": after}).scalar_one_or_none()
    return None if found is None else WorkItem(found)


def write(tx: Transaction, company_id: str, day: date) -> None:
    """Write the snapshot of a company for a day, which replaces an earlier one. Delete expired snapshots."""
    of_day = {"company_id": company_id, "day": day, "oldest": day - SNAPSHOT_RETENTION}
    tx.execute(
        text("DELETE FROM daily_queues WHERE company_id = :company_id AND (day = :day OR day < :oldest)"), of_day
    )
    feed_filter = FeedFilter(scope=Scope.of_companies(company_id))
    query = _WRITE_STATEMENT.format(feed=unposted_rows(feed_filter))
    tx.execute(text(query), parameters(feed_filter) | of_day)


def read(tx: Transaction, since: date, until: date, scope: Scope) -> list[QueueSize]:
    """Return the sizes of the queues on each day from `since` to `until`, by day, queue and cause."""
    query = _READ_QUERY.format(scope=in_scope(scope, "daily_queues"))
    found = tx.execute(text(query), {"since": since, "until": until} | scope_parameters(scope))
    return [QueueSize(*row) for row in found]
