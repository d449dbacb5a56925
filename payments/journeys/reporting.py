"""Answer what people ask: the Claims Feed, the Patient Payment Log, the life of one payment, what still waits."""

from collections.abc import Sequence
from datetime import datetime

from payments.core.event import LineKey
from payments.core.refusal import refused_number
from payments.store import feed, queue, reports
from payments.store.feed import FeedQuery, FeedRow, FeedSum
from payments.store.queue import Waiting
from payments.store.reports import GroupBy, LogQuery, LogRow, LogSum, TimelineRow
from payments.store.session import Transaction

__all__ = ["FeedQuery", "FeedRow", "FeedSum", "GroupBy", "LogQuery", "LogRow", "LogSum", "TimelineRow", "Waiting"]


def claims_feed(tx: Transaction, query: FeedQuery) -> list[FeedRow]:
    """Return the Claims Feed: one row a line, its newest version."""
    return feed.rows(tx, query)


def feed_by_status(tx: Transaction, query: FeedQuery) -> list[FeedSum]:
    """Return the Claims Feed summed by status and reason."""
    return feed.sums(tx, query)


def payment_log(tx: Transaction, query: LogQuery) -> list[LogRow]:
    """Return the Patient Payment Log: one row an entry of the ledger."""
    return reports.payment_log(tx, query)


def payment_log_by(tx: Transaction, query: LogQuery, group_by: GroupBy) -> list[LogSum]:
    """Return the Patient Payment Log summed by one of its columns."""
    return reports.payment_log_sums(tx, query, group_by)


def timeline(tx: Transaction, key: str) -> Sequence[TimelineRow]:
    """Return everything that happened to the payment that is printed so; empty if there is none."""
    number = refused_number(key)
    if number is not None:
        return reports.timeline(tx, (), (number,))
    return reports.timeline(tx, tuple(LineKey.readings(key)), ())


def waiting(tx: Transaction, now: datetime) -> Waiting:
    """Count what is due now and what waits for a later try."""
    return queue.waiting(tx, now)
