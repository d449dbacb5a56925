"""Read the figures of the overview page and of Prometheus."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from payments.core.outcome import Status
from payments.core.scope import Scope
from payments.store.db.connection import Transaction
from payments.store.db.replication import Replication, read_replication
from payments.store.feed.feed_filter import FeedFilter
from payments.store.ledger import clinics, postponed_work
from payments.store.ledger.postponed_work import PostponedCount
from payments.store.reports import claims_feed, dashboard
from payments.store.reports.dashboard import (
    ChunkStats,
    CompanyCount,
    Day,
    ExceptionAgeCount,
    HourlyFlow,
    OpenExceptions,
    RetryBacklog,
    StatusCount,
)

__all__ = [
    "ChunkStats",
    "CompanyCount",
    "ExceptionAgeCount",
    "HourlyFlow",
    "OpenExceptions",
    "PostponedCount",
    "Replication",
    "RetryBacklog",
    "StatusCount",
]

RECENT = timedelta(minutes=5)
"""The period of the retry and chunk figures."""


@dataclass(frozen=True, slots=True)
class Overview:
    """Statuses and hourly activity of one day; current open exceptions and unsuccessful payments.

    `feed` counts the payments that were saved on the day. `flow` counts what happened in each hour of the user's day.
    """

    day: date
    feed: Mapping[Status, int]
    flow: Sequence[HourlyFlow]
    exceptions: Sequence[ExceptionAgeCount]
    unsuccessful: Sequence[StatusCount]


@dataclass(frozen=True, slots=True)
class Gauges:
    """The figures of the ledger for Prometheus. `retries` and `chunks` cover the last five minutes.

    `replication` is None if the role may not see it.
    """

    companies: Sequence[str]
    unsuccessful: Sequence[CompanyCount]
    backlog: RetryBacklog
    retries: int
    exceptions: Sequence[OpenExceptions]
    chunks: ChunkStats
    postponed: Sequence[PostponedCount]
    replication: Replication | None


def overview(tx: Transaction, day: date, scope: Scope, now: datetime) -> Overview:
    """Return the figures of a day and the current figures, of the payments in a scope.

    The day and its hours are in the time zone of `now`.
    """
    zone = ZoneInfo(str(now.tzinfo))
    return Overview(
        day=day,
        flow=dashboard.hourly_flow(tx, Day.of(day, zone), scope),
        exceptions=dashboard.exceptions_by_age(tx, now, scope),
        unsuccessful=dashboard.unsuccessful_counts(tx, scope),
        # Last, because it makes PostgreSQL read sets for the rest of the transaction.
        feed=_count_by_status(tx, FeedFilter(since=day, until=day, scope=scope)),
    )


def _count_by_status(tx: Transaction, feed_filter: FeedFilter) -> dict[Status, int]:
    """Count the payments of the Claims Feed that match, by status."""
    counts = dict.fromkeys(Status, 0)
    for each in claims_feed.sums(tx, feed_filter):
        counts[Status(each.status)] += each.count
    return counts


def read_gauges(tx: Transaction, now: datetime) -> Gauges:
    """Read the figures of the whole ledger that can be read from an index."""
    return Gauges(
        companies=clinics.list_company_ids(tx),
        unsuccessful=dashboard.unsuccessful_by_company(tx),
        backlog=dashboard.retry_backlog(tx),
        retries=dashboard.retry_count(tx, now - RECENT),
        exceptions=dashboard.open_exceptions(tx),
        chunks=dashboard.chunk_stats(tx, now - RECENT),
        postponed=postponed_work.counts(tx),
        replication=read_replication(tx),
    )


def count_successful(tx: Transaction) -> int:
    """Count the payments with status Transmission Successful, including removed payments and exceptions.

    This reads all lines, so the caller caches the result.
    """
    return dashboard.count_successful(tx)
