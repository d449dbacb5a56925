"""The figures of the whole for Prometheus, read from PostgreSQL and Redis when they are asked for."""

import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Generic, NamedTuple, TypeVar

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from console.web.context import AppState
from payments.core.balancing import last_full_week
from payments.core.outcome import Reason, Status
from payments.journeys import balancing, dashboard
from payments.journeys.balancing import BalanceFilter
from payments.journeys.dashboard import Gauges, StatusCount
from tasks.feed.stream import FeedStats

METRICS = {
    "payments_feed_up": "Whether Redis answered: 1 or 0.",
    "payments_feed_length": "Entries on the EMR's stream.",
    "payments_feed_unread": "Entries that were handed to no worker yet: the feed's lag.",
    "payments_feed_outstanding": "Entries that were handed out and are not yet committed.",
    "payments_feed_oldest_seconds": "Age of the oldest entry on the stream.",
    "payments_count": "Payments by status and reason.",
    "payments_retrying": "Payments that wait for another try.",
    "payments_retries": "Tries of the last five minutes that put a payment off to another one.",
    "payments_waiting_oldest_seconds": "Time since the oldest payment that waits was saved.",
    "payments_exceptions_open": "Open Billing Exceptions by reason.",
    "payments_exceptions_oldest_seconds": "Age of the oldest open Billing Exception by reason.",
    "payments_import_chunks": "Import chunks of the last five minutes.",
    "payments_import_chunk_seconds": "How long they took: the median and the slowest.",
    "payments_import_chunk_size": "How many payments they held: the median and the largest.",
    "payments_unexplained_cents": "What no rule explains of the last full week, EMR against Billing.",
    "payments_unexplained_lines": "On how many payments that is.",
}


_T = TypeVar("_T")


class CachedGauge(Generic[_T]):
    """A figure for which much is read, kept for a time: at least so long, and a hundred times as long as it took.

    So it costs a hundredth of a processor at most, however large the ledger is and however often it is asked for.
    """

    def __init__(self, work_out: Callable[[AppState, datetime], _T], at_least: timedelta) -> None:
        self._work_out, self._at_least = work_out, at_least
        self._lock = threading.Lock()
        self._found: tuple[datetime, _T] | None = None

    def read(self, app: AppState, now: datetime) -> _T:
        """Return the figure, worked out anew if its time is over."""
        with self._lock:
            if self._found is None or now >= self._found[0]:
                begun = app.clock()
                figure = self._work_out(app, now)
                self._found = now + max(self._at_least, 100 * (app.clock() - begun)), figure
            return self._found[1]


class _Unexplained(NamedTuple):
    """What no rule explains of the last full week."""

    cents: int
    lines: int


def _balance(app: AppState, now: datetime) -> _Unexplained:
    with app.transaction() as tx:
        balance = balancing.balance(tx, BalanceFilter(*last_full_week(now.date())))
    return _Unexplained(int(balance.unexplained * 100), len(balance.unexplained_lines))


def _count_through(app: AppState, _: datetime) -> int:
    with app.transaction() as tx:
        return dashboard.count_successful(tx)


_UNEXPLAINED, _THROUGH = CachedGauge(_balance, timedelta(minutes=15)), CachedGauge(_count_through, timedelta())


class _Figures(Collector):
    """All figures at one moment."""

    def __init__(self, app: AppState, now: datetime) -> None:
        self._app, self._now = app, now

    def collect(self) -> Iterable[Metric]:
        """Yield every metric."""
        yield from _of_feed(self._app.feed_figures(), self._now)
        with self._app.transaction() as tx:
            gauges = dashboard.read_gauges(tx, self._now)
        through = StatusCount(Status.SUCCESSFUL, None, _THROUGH.read(self._app, self._now))
        yield _counted([through, *gauges.unsuccessful])
        yield from _of_waiting(gauges, self._now)
        yield from _of_chunks(gauges)
        unexplained = _UNEXPLAINED.read(self._app, self._now)
        yield _metric("payments_unexplained_cents", unexplained.cents)
        yield _metric("payments_unexplained_lines", unexplained.lines)


def exposition(app: AppState, now: datetime) -> bytes:
    """Return all figures in the form that Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(app, now))
    return generate_latest(registry)


def _metric(name: str, value: float | None = None, labels: Iterable[str] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, METRICS[name], value=value, labels=None if value is not None else list(labels))


def _of_feed(figures: FeedStats | None, now: datetime) -> Iterator[Metric]:
    yield _metric("payments_feed_up", int(figures is not None))
    if figures is None:
        return
    yield _metric("payments_feed_length", figures.length)
    yield _metric("payments_feed_unread", figures.undelivered)
    yield _metric("payments_feed_outstanding", figures.pending)
    oldest = None if figures.oldest_ms is None else datetime.fromtimestamp(figures.oldest_ms / 1000, UTC)
    yield _metric("payments_feed_oldest_seconds", _age_seconds(oldest, now))


def _counted(counts: Iterable[StatusCount]) -> GaugeMetricFamily:
    """Return how many payments have each status and reason; what none has is there as 0, so that a first one shows."""
    numbers = {(_status_of(reason), reason.value): 0 for reason in Reason} | {(Status.PENDING.value, ""): 0}
    numbers |= {(each.status, each.reason or ""): each.count for each in counts}
    payments = _metric("payments_count", labels=("status", "reason"))
    for labels, number in numbers.items():
        payments.add_metric(labels, number)
    return payments


def _status_of(reason: Reason) -> str:
    is_unreadable = reason in {Reason.INVALID_EVENT, Reason.VERSION_CONFLICT}
    return Status.VALIDATION_FAILED if is_unreadable else Status.NOT_SENT


def _of_waiting(gauges: Gauges, now: datetime) -> Iterator[Metric]:
    yield _metric("payments_retrying", gauges.backlog.count)
    yield _metric("payments_retries", gauges.retries)
    yield _metric("payments_waiting_oldest_seconds", _age_seconds(gauges.backlog.oldest_at, now))
    counts = _metric("payments_exceptions_open", labels=("reason",))
    ages = _metric("payments_exceptions_oldest_seconds", labels=("reason",))
    for each in gauges.exceptions:
        counts.add_metric([each.reason], each.count)
        ages.add_metric([each.reason], _age_seconds(each.oldest_at, now))
    yield from (counts, ages)


def _of_chunks(gauges: Gauges) -> Iterator[Metric]:
    chunks = gauges.chunks
    yield _metric("payments_import_chunks", chunks.count)
    times = _metric("payments_import_chunk_seconds", labels=("which",))
    times.add_metric(["median"], chunks.median_ms / 1000)
    times.add_metric(["slowest"], chunks.slowest_ms / 1000)
    sizes = _metric("payments_import_chunk_size", labels=("which",))
    sizes.add_metric(["median"], chunks.median_size)
    sizes.add_metric(["largest"], chunks.largest_size)
    yield from (times, sizes)


def _age_seconds(oldest: datetime | None, now: datetime) -> float:
    return max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
