"""Metrics for Prometheus, read from PostgreSQL and Redis at each scrape."""

import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import groupby
from typing import Generic, TypeVar

import redis
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from console.web.company_metrics import Unexplained, company_metrics
from console.web.context import AppState, FeedFigures
from console.web.metric_definitions import new_metric
from payments import wording
from payments.core.outcome import Reason, Status
from payments.journeys import balancing, dashboard
from payments.journeys.dashboard import CompanyCount, Gauges, Replication
from payments.store.db.isolation import ALL_COMPANIES
from tasks import recurring
from tasks.feed import outage
from tasks.feed.heartbeat import SCHEDULER_HEARTBEAT_KEY, has_heartbeat
from tasks.isolation import is_outage

_T = TypeVar("_T")


class CachedGauge(Generic[_T]):
    """A value that is expensive to compute. It is cached for a hundred times as long as its computation takes.

    So the computation uses at most 1 % of a processor, for any size of the ledger and any scrape interval. The value is
    cached at least for `minimum`.
    """

    def __init__(self, compute: Callable[[AppState, datetime], _T], minimum: timedelta) -> None:
        self._compute, self._minimum = compute, minimum
        self._lock = threading.Lock()
        self._cached: tuple[datetime, _T] | None = None

    def read(self, app: AppState, now: datetime) -> _T:
        """Return the cached value. Compute it first if it has expired."""
        with self._lock:
            if self._cached is None or now >= self._cached[0]:
                started = app.clock()
                value = self._compute(app, now)
                self._cached = now + max(self._minimum, 100 * (app.clock() - started)), value
            return self._cached[1]


def unexplained_by_company(app: AppState, now: datetime) -> Mapping[str | None, Unexplained]:
    """Return, by company, the unexplained difference of the last full week.

    A company that cannot be balanced is left out. The nightly balancing reports it.
    """
    with app.transaction(ALL_COMPANIES) as tx:
        balances = balancing.balance_last_week(tx, now.date(), is_outage)
    found: dict[str | None, Unexplained] = defaultdict(lambda: Unexplained(0, 0))
    for clinic, balance in balances.items():
        cents, lines = found[clinic.company_id]
        found[clinic.company_id] = Unexplained(
            cents + int(balance.unexplained * 100), lines + balance.unexplained_count
        )
    return found


def _successful_payments(app: AppState, _: datetime) -> int:
    with app.transaction(ALL_COMPANIES) as tx:
        return dashboard.count_successful(tx)


_UNEXPLAINED, _SUCCESSFUL = (
    CachedGauge(unexplained_by_company, timedelta(minutes=15)),
    CachedGauge(_successful_payments, timedelta()),
)


class _Metrics(Collector):
    """Collects all metrics at one moment."""

    def __init__(self, app: AppState, now: datetime) -> None:
        self._app, self._now = app, now

    def collect(self) -> Iterable[Metric]:
        """Yield every metric."""
        yield from _feed_metrics(self._app.feed_figures(self._now))
        yield _pause_metric(self._app.feed, self._now)
        yield from _schedule_metrics(self._app.feed)
        with self._app.transaction(ALL_COMPANIES) as tx:
            gauges = dashboard.read_gauges(tx, self._now)
        yield _count_by_status(_SUCCESSFUL.read(self._app, self._now), gauges.unsuccessful)
        yield from _waiting_metrics(gauges, self._now)
        yield from _chunk_metrics(gauges)
        yield from _standby_metrics(gauges.replication)
        unexplained = _UNEXPLAINED.read(self._app, self._now)
        yield new_metric("payments_unexplained_cents", sum(each.cents for each in unexplained.values()))
        yield new_metric("payments_unexplained_lines", sum(each.lines for each in unexplained.values()))
        yield from company_metrics(gauges, unexplained, self._now)


def exposition(app: AppState, now: datetime) -> bytes:
    """Return all metrics in the text format of Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Metrics(app, now))
    return generate_latest(registry)


def _feed_metrics(figures: FeedFigures | None) -> Iterator[Metric]:
    yield new_metric("payments_feed_up", int(figures is not None))
    if figures is None:
        return
    yield new_metric("payments_feed_length", figures.stats.undelivered + figures.stats.pending)
    yield new_metric("payments_feed_unread", figures.stats.undelivered)
    yield new_metric("payments_feed_outstanding", figures.stats.pending)
    yield new_metric("payments_feed_kept", figures.stats.kept)
    yield new_metric("payments_feed_trimmed_early", figures.stats.trimmed_early)
    yield new_metric("payments_feed_deleted", figures.stats.deleted)
    yield new_metric("payments_feed_oldest_seconds", figures.lag.total_seconds() if figures.lag else 0.0)


def _pause_metric(client: redis.Redis, now: datetime) -> Metric:
    try:
        found = outage.current(client)
    except redis.RedisError:  # `payments_feed_up` reports this
        found = None
    return new_metric("payments_import_paused_seconds", _age_seconds(found.since if found else None, now))


def _schedule_metrics(client: redis.Redis) -> Iterator[Metric]:
    try:
        is_up, ages = has_heartbeat(client, SCHEDULER_HEARTBEAT_KEY), recurring.success_ages(client)
    except redis.RedisError:
        is_up, ages = False, {}
    yield new_metric("payments_scheduler_up", int(is_up))
    seconds = new_metric("payments_recurring_task_seconds")
    for task, age in ages.items():
        seconds.add_metric([task.task], age.total_seconds())
    yield seconds
    yield new_metric("payments_recurring_tasks_late", sum(age > task.late_after for task, age in ages.items()))


def _count_by_status(successful: int, unsuccessful: Iterable[CompanyCount]) -> GaugeMetricFamily:
    """Return the number of payments by status and reason.

    A reason without payments gets the value 0, so that a later rate includes its first payment.
    """
    numbers = Counter({(reason.status.value, reason.value): 0 for reason in Reason})
    numbers.update({(Status.SUCCESSFUL.value, ""): successful, (Status.PENDING.value, ""): 0})
    for each in unsuccessful:
        numbers[each.status, each.reason or ""] += each.count
    payments = new_metric("payments_count")
    for labels, number in numbers.items():
        payments.add_metric(labels, number)
    return payments


def _waiting_metrics(gauges: Gauges, now: datetime) -> Iterator[Metric]:
    yield new_metric("payments_retrying", gauges.backlog.count)
    yield new_metric("payments_retries", gauges.retries)
    yield new_metric("payments_waiting_oldest_seconds", _age_seconds(gauges.backlog.oldest_at, now))
    counts = new_metric("payments_exceptions_open")
    ages = new_metric("payments_exceptions_oldest_seconds")
    by_reason = groupby(sorted(gauges.exceptions, key=lambda each: each.reason), key=lambda each: each.reason)
    for reason, of_reason in by_reason:
        found = [*of_reason]
        counts.add_metric([wording.finding_reason(reason)], sum(each.count for each in found))
        ages.add_metric([wording.finding_reason(reason)], _age_seconds(min(each.oldest_at for each in found), now))
    yield from (counts, ages)


def _chunk_metrics(gauges: Gauges) -> Iterator[Metric]:
    chunks = gauges.chunks
    yield new_metric("payments_import_chunks", chunks.count)
    times = new_metric("payments_import_chunk_seconds")
    times.add_metric(["median"], chunks.median_ms / 1000)
    times.add_metric(["slowest"], chunks.slowest_ms / 1000)
    sizes = new_metric("payments_import_chunk_size")
    sizes.add_metric(["median"], chunks.median_size)
    sizes.add_metric(["largest"], chunks.largest_size)
    yield from (times, sizes)


def _age_seconds(oldest: datetime | None, now: datetime) -> float:
    return max(0.0, (now - oldest).total_seconds()) if oldest else 0.0


def _standby_metrics(replication: Replication | None) -> Iterator[Metric]:
    """Yield the metrics of the standbys.

    They have no samples if PostgreSQL does not permit the console to see the standbys.
    """
    yield new_metric("payments_standbys_synchronous", len(replication.synchronous) if replication else None)
    yield new_metric("payments_standbys_asynchronous", len(replication.asynchronous) if replication else None)
    lag = max((each.lag.total_seconds() for each in replication.standbys), default=0.0) if replication else None
    yield new_metric("payments_standby_lag_seconds", lag)
    yield new_metric("payments_commits_wait_for_standby", int(replication.commits_wait) if replication else None)
