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
from payments.store.reports import dashboard, last_days, posted_sums
from payments.store.reports import trends as trend_report
from payments.store.reports.dashboard import (
    ChunkStats,
    CompanyCount,
    DayHours,
    ExceptionAgeCount,
    HourlyFlow,
    OpenExceptions,
    RetryBacklog,
)
from payments.store.reports.posted_sums import UnpostedSum
from payments.store.reports.trends import TrendGroup, TrendRow

__all__ = [
    "ChunkStats",
    "CompanyCount",
    "ExceptionAgeCount",
    "HourlyFlow",
    "OpenExceptions",
    "PostponedCount",
    "Replication",
    "RetryBacklog",
    "TrendGroup",
    "TrendRow",
    "UnpostedSum",
]

GAUGE_PERIOD = timedelta(minutes=5)
"""The period that the figures of retries and import chunks cover."""


@dataclass(frozen=True, slots=True)
class Overview:
    """The figures of the overview page for one day.

    `feed` counts the payments that were saved on the day, in the clinics' local time. `flow` holds the payment counts
    of each hour. `exceptions` counts the open exceptions. `unposted` sums all payments that are not in Billing, by
    cause. It includes the Internal Payments, which stay in the EMR.
    """

    day: date
    feed: Mapping[Status, int]
    flow: Sequence[HourlyFlow]
    exceptions: Sequence[ExceptionAgeCount]
    unposted: Sequence[UnpostedSum]


@dataclass(frozen=True, slots=True)
class Gauges:
    """The figures of the ledger for Prometheus. `retries` and `chunks` cover the last five minutes.

    `replication` is None if the database role may not read the state of the standbys, or if the server is a standby.
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
    """Return the figures of a scope for a day. The hours of the day are in the time zone of `now`."""
    hours = DayHours.of(day, ZoneInfo(str(now.tzinfo)))
    saved = posted_sums.day_by_status(tx, day, hours.hours, scope)
    return Overview(
        day=day,
        flow=dashboard.hourly_flow(tx, hours, scope, saved),
        exceptions=dashboard.exceptions_by_age(tx, now, scope),
        unposted=posted_sums.unposted_sums(tx, FeedFilter(scope=scope)),
        feed={status: sum(each.count for each in saved if each.status == status) for status in Status},
    )


def last_saved_day(tx: Transaction, scope: Scope, before: date) -> date | None:
    """Return the last day before `before` on which a payment was saved, in the clinic's local time, or None."""
    return last_days.last_save_day(tx, scope, before)


def trends(tx: Transaction, feed_filter: FeedFilter, group: TrendGroup) -> list[TrendRow]:
    """Return the amounts paid, and the part of them that Billing holds, by week or by clinic."""
    return trend_report.read(tx, feed_filter, group)


def read_gauges(tx: Transaction, now: datetime) -> Gauges:
    """Return the figures of the whole ledger. They are read from indexes, so the call is quick."""
    return Gauges(
        companies=clinics.list_company_ids(tx),
        unsuccessful=dashboard.unsuccessful_by_company(tx),
        backlog=dashboard.retry_backlog(tx),
        retries=dashboard.retry_count(tx, now - GAUGE_PERIOD),
        exceptions=dashboard.open_exceptions(tx),
        chunks=dashboard.chunk_stats(tx, now - GAUGE_PERIOD),
        postponed=postponed_work.counts(tx),
        replication=read_replication(tx),
    )


def count_successful(tx: Transaction) -> int:
    """Return the number of payments with status Transmission Successful, including removed payments and exceptions.

    This reads all lines, so the caller caches the result.
    """
    return dashboard.count_successful(tx)
