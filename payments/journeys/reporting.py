"""Answer what people ask: the Claims Feed, the Patient Payment Log, the life of one payment, what still waits."""

from collections.abc import Sequence
from datetime import datetime

from payments.contract.errors import dead_letter_id
from payments.contract.event import LineKey
from payments.store.db.connection import Transaction
from payments.store.feed import backlog
from payments.store.feed.backlog import Waiting
from payments.store.reports import claims_feed as feed_report
from payments.store.reports import payment_log as log_report
from payments.store.reports.claims_feed import FeedQuery, FeedRow, FeedSum
from payments.store.reports.payment_log import GroupBy, LogQuery, LogRow, LogSum, TimelineRow

__all__ = ["FeedQuery", "FeedRow", "FeedSum", "GroupBy", "LogQuery", "LogRow", "LogSum", "TimelineRow", "Waiting"]


def claims_feed(tx: Transaction, query: FeedQuery) -> list[FeedRow]:
    """Return the Claims Feed: one row a line, its newest version."""
    return feed_report.rows(tx, query)


def feed_by_status(tx: Transaction, query: FeedQuery) -> list[FeedSum]:
    """Return the Claims Feed summed by status and reason."""
    return feed_report.sums(tx, query)


def payment_log(tx: Transaction, query: LogQuery) -> list[LogRow]:
    """Return the Patient Payment Log: one row an entry of the ledger."""
    return log_report.payment_log(tx, query)


def payment_log_by(tx: Transaction, query: LogQuery, group_by: GroupBy) -> list[LogSum]:
    """Return the Patient Payment Log summed by one of its columns."""
    return log_report.payment_log_sums(tx, query, group_by)


def timeline(tx: Transaction, key: str) -> Sequence[TimelineRow]:
    """Return everything that happened to the payment that is printed so; empty if there is none."""
    number = dead_letter_id(key)
    if number is not None:
        return log_report.timeline(tx, (), (number,))
    return log_report.timeline(tx, tuple(LineKey.parse_all(key)), ())


def waiting(tx: Transaction, now: datetime) -> Waiting:
    """Count what is due now and what waits for a later try."""
    return backlog.waiting(tx, now)
