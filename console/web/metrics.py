"""Metrics for Prometheus, read from PostgreSQL and Redis at each scrape."""

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Generic, NamedTuple, TypeVar

import redis
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from console.web.context import AppState, FeedFigures
from payments import wording
from payments.core.balancing import last_full_week
from payments.core.outcome import Reason, Status
from payments.journeys import balancing, dashboard
from payments.journeys.balancing import BalanceFilter
from payments.journeys.dashboard import Gauges, StatusCount
from tasks import recurring
from tasks.feed.heartbeat import SCHEDULER_HEARTBEAT_KEY, has_heartbeat


class MetricDefinition(NamedTuple):
    """Help text and labels of a metric."""

    meaning: str
    labels: tuple[str, ...] = ()


METRICS = {
    "payments_feed_up": MetricDefinition("1 if Redis answered, else 0."),
    "payments_feed_length": MetricDefinition("Entries on the event streams."),
    "payments_feed_unread": MetricDefinition("Entries that no importer has read yet."),
    "payments_feed_outstanding": MetricDefinition(
        "Entries that an importer has read and that are not yet acknowledged."
    ),
    "payments_feed_deleted": MetricDefinition(
        "Entries that were deleted from a stream after they were read, before an import."
    ),
    "payments_feed_oldest_seconds": MetricDefinition(
        "Age of the oldest entry on the streams by the time in its id, or since it was first seen if the id has none."
    ),
    "payments_scheduler_up": MetricDefinition(
        "1 if the scheduler has told Redis within 30 seconds that it runs, else 0."
    ),
    "payments_recurring_task_seconds": MetricDefinition("Time since each recurring task last succeeded.", ("task",)),
    "payments_recurring_tasks_late": MetricDefinition(
        "Tasks that have not succeeded for three intervals and a minute."
    ),
    "payments_count": MetricDefinition("Payments by status and reason.", ("status", "reason")),
    "payments_retrying": MetricDefinition("Payments that wait for a retry."),
    "payments_retries": MetricDefinition("Attempts of the last five minutes that scheduled a retry."),
    "payments_waiting_oldest_seconds": MetricDefinition(
        "Time since the save of the oldest payment that waits for a retry."
    ),
    "payments_exceptions_open": MetricDefinition("Open Billing Exceptions.", ("reason",)),
    "payments_exceptions_oldest_seconds": MetricDefinition("Age of the oldest open Billing Exception.", ("reason",)),
    "payments_import_chunks": MetricDefinition("Import chunks of the last five minutes."),
    "payments_import_chunk_seconds": MetricDefinition("Duration of these chunks: median and slowest.", ("which",)),
    "payments_import_chunk_size": MetricDefinition("Payments in these chunks: median and largest.", ("which",)),
    "payments_unexplained_cents": MetricDefinition("Unexplained amount between the EMR and Billing, last full week."),
    "payments_unexplained_lines": MetricDefinition("Unexplained payments, last full week."),
}


_T = TypeVar("_T")


class CachedGauge(Generic[_T]):
    """An expensive value, cached for a hundred times as long as its computation took, and at least for a minimum time.

    So the computation uses at most 1 % of a processor, for any size of the ledger and any scrape interval.
    """

    def __init__(self, compute: Callable[[AppState, datetime], _T], minimum: timedelta) -> None:
        self._compute, self._minimum = compute, minimum
        self._lock = threading.Lock()
        self._cached: tuple[datetime, _T] | None = None

    def read(self, app: AppState, now: datetime) -> _T:
        """Return the cached value, or compute it if the cache has expired."""
        with self._lock:
            if self._cached is None or now >= self._cached[0]:
                started = app.clock()
                value = self._compute(app, now)
                self._cached = now + max(self._minimum, 100 * (app.clock() - started)), value
            return self._cached[1]


class _Unexplained(NamedTuple):
    """The unexplained difference between the EMR and Billing in the last full week."""

    cents: int
    lines: int


def _balance(app: AppState, now: datetime) -> _Unexplained:
    with app.transaction() as tx:
        balance = balancing.balance(tx, BalanceFilter(*last_full_week(now.date())))
    return _Unexplained(int(balance.unexplained * 100), balance.unexplained_count)


def _successful_payments(app: AppState, _: datetime) -> int:
    with app.transaction() as tx:
        return dashboard.count_successful(tx)


_UNEXPLAINED, _SUCCESSFUL = CachedGauge(_balance, timedelta(minutes=15)), CachedGauge(_successful_payments, timedelta())


class _Metrics(Collector):
    """All metrics at one moment."""

    def __init__(self, app: AppState, now: datetime) -> None:
        self._app, self._now = app, now

    def collect(self) -> Iterable[Metric]:
        """Yield every metric."""
        yield from _feed_metrics(self._app.feed_figures(self._now))
        yield from _schedule_metrics(self._app.feed)
        with self._app.transaction() as tx:
            gauges = dashboard.read_gauges(tx, self._now)
        successful = StatusCount(Status.SUCCESSFUL, None, _SUCCESSFUL.read(self._app, self._now))
        yield _count_by_status([successful, *gauges.unsuccessful])
        yield from _waiting_metrics(gauges, self._now)
        yield from _chunk_metrics(gauges)
        unexplained = _UNEXPLAINED.read(self._app, self._now)
        yield _metric("payments_unexplained_cents", unexplained.cents)
        yield _metric("payments_unexplained_lines", unexplained.lines)


def exposition(app: AppState, now: datetime) -> bytes:
    """Return all metrics in the text format of Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Metrics(app, now))
    return generate_latest(registry)


def _metric(name: str, value: float | None = None) -> GaugeMetricFamily:
    meaning, labels = METRICS[name]
    return GaugeMetricFamily(name, meaning, value=value, labels=list(labels) or None)


def _feed_metrics(figures: FeedFigures | None) -> Iterator[Metric]:
    yield _metric("payments_feed_up", int(figures is not None))
    if figures is None:
        return
    yield _metric("payments_feed_length", figures.stats.length)
    yield _metric("payments_feed_unread", figures.stats.undelivered)
    yield _metric("payments_feed_outstanding", figures.stats.pending)
    yield _metric("payments_feed_deleted", figures.stats.deleted)
    yield _metric("payments_feed_oldest_seconds", figures.lag.total_seconds() if figures.lag else 0.0)


def _schedule_metrics(feed: redis.Redis) -> Iterator[Metric]:
    try:
        is_up, ages = has_heartbeat(feed, SCHEDULER_HEARTBEAT_KEY), recurring.success_ages(feed)
    except redis.RedisError:
        is_up, ages = False, {}
    yield _metric("payments_scheduler_up", int(is_up))
    seconds = _metric("payments_recurring_task_seconds")
    for task, age in ages.items():
        seconds.add_metric([task.task], age.total_seconds())
    yield seconds
    yield _metric("payments_recurring_tasks_late", sum(age > task.late_after for task, age in ages.items()))


def _count_by_status(counts: Iterable[StatusCount]) -> GaugeMetricFamily:
    """Return the payments by status and reason. Without payments the metric is 0, so that rates count the first."""
    numbers = {(reason.status.value, reason.value): 0 for reason in Reason} | {(Status.PENDING.value, ""): 0}
    numbers |= {(each.status, each.reason or ""): each.count for each in counts}
    payments = _metric("payments_count")
    for labels, number in numbers.items():
        payments.add_metric(labels, number)
    return payments


def _waiting_metrics(gauges: Gauges, now: datetime) -> Iterator[Metric]:
    yield _metric("payments_retrying", gauges.backlog.count)
    yield _metric("payments_retries", gauges.retries)
    yield _metric("payments_waiting_oldest_seconds", _age_seconds(gauges.backlog.oldest_at, now))
    counts = _metric("payments_exceptions_open")
    ages = _metric("payments_exceptions_oldest_seconds")
    for each in gauges.exceptions:
        counts.add_metric([wording.finding_reason(each.reason)], each.count)
        ages.add_metric([wording.finding_reason(each.reason)], _age_seconds(each.oldest_at, now))
    yield from (counts, ages)


def _chunk_metrics(gauges: Gauges) -> Iterator[Metric]:
    chunks = gauges.chunks
    yield _metric("payments_import_chunks", chunks.count)
    times = _metric("payments_import_chunk_seconds")
    times.add_metric(["median"], chunks.median_ms / 1000)
    times.add_metric(["slowest"], chunks.slowest_ms / 1000)
    sizes = _metric("payments_import_chunk_size")
    sizes.add_metric(["median"], chunks.median_size)
    sizes.add_metric(["largest"], chunks.largest_size)
    yield from (times, sizes)


def _age_seconds(oldest: datetime | None, now: datetime) -> float:
    return max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
