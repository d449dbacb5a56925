"""The figures of the whole for Prometheus, read from PostgreSQL and Redis when they are asked for."""

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import redis
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from console.visiting import Site
from payments.core.balance import last_full_week
from payments.journeys import balancing, overseeing
from payments.journeys.balancing import BalanceQuery
from payments.journeys.overseeing import Gauges
from tasks.stream import FeedFigures
from tasks.streams import Streams

BALANCED_ANEW_AFTER = timedelta(minutes=15)
METRICS = {
    "payments_feed_up": "Whether Redis answered: 1 or 0.",
    "payments_feed_length": "Entries on the EMR's stream.",
    "payments_feed_unread": "Entries that were handed to no worker yet: the feed's lag.",
    "payments_feed_outstanding": "Entries that were handed out and are not yet committed.",
    "payments_feed_oldest_seconds": "Age of the oldest entry on the stream.",
    "payments_count": "Payments by status and reason.",
    "payments_retrying": "Payments that wait for another try.",
    "payments_waiting_oldest_seconds": "Time since the oldest payment that waits was saved.",
    "payments_exceptions_open": "Open Billing Exceptions by reason.",
    "payments_exceptions_oldest_seconds": "Age of the oldest open Billing Exception by reason.",
    "payments_import_chunks": "Import chunks of the last five minutes.",
    "payments_import_chunk_seconds": "How long they took: the median and the slowest.",
    "payments_import_chunk_size": "How many payments they held: the median and the largest.",
    "payments_unexplained_cents": "What no rule explains of the last full week, EMR against Billing.",
    "payments_unexplained_lines": "On how many payments that is.",
}


class _Unexplained(NamedTuple):
    """The balance of the last full week, and when it was worked out."""

    at: datetime
    cents: int
    lines: int


@dataclass
class _Kept:
    """The last balance; it reads every line of a week, so that it is not done at each scrape."""

    unexplained: _Unexplained | None = None


_KEPT, _LOCK = _Kept(), threading.Lock()


class _Figures(Collector):
    """All figures at one moment."""

    def __init__(self, site: Site, now: datetime) -> None:
        self._site, self._now = site, now

    def collect(self) -> Iterable[Metric]:
        """Yield every metric."""
        yield from _of_feed(_read_feed(self._site), self._now)
        with self._site.ledger() as tx:
            gauges = overseeing.read_gauges(tx, self._now)
        yield from _of_payments(gauges, self._now)
        yield from _of_chunks(gauges)
        unexplained = _unexplained(self._site, self._now)
        yield _metric("payments_unexplained_cents", unexplained.cents)
        yield _metric("payments_unexplained_lines", unexplained.lines)


def exposition(site: Site, now: datetime) -> bytes:
    """Return all figures in the form that Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Figures(site, now))
    return generate_latest(registry)


def _read_feed(site: Site) -> FeedFigures | None:
    try:
        return Streams(site.feed, site.settings.stream, site.settings.streams).figures()
    except redis.RedisError:
        return None


def _metric(name: str, value: float | None = None, labels: Iterable[str] = ()) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, METRICS[name], value=value, labels=None if value is not None else list(labels))


def _of_feed(figures: FeedFigures | None, now: datetime) -> Iterator[Metric]:
    yield _metric("payments_feed_up", int(figures is not None))
    if figures is None:
        return
    yield _metric("payments_feed_length", figures.length)
    yield _metric("payments_feed_unread", figures.unread)
    yield _metric("payments_feed_outstanding", figures.outstanding)
    oldest = None if figures.oldest_ms is None else datetime.fromtimestamp(figures.oldest_ms / 1000, UTC)
    yield _metric("payments_feed_oldest_seconds", _age_seconds(oldest, now))


def _of_payments(gauges: Gauges, now: datetime) -> Iterator[Metric]:
    payments = _metric("payments_count", labels=("status", "reason"))
    for status, reason, number in gauges.payments:
        payments.add_metric([status, reason or ""], number)
    yield payments
    yield _metric("payments_retrying", gauges.retrying)
    yield _metric("payments_waiting_oldest_seconds", _age_seconds(gauges.oldest_waiting, now))
    counts = _metric("payments_exceptions_open", labels=("reason",))
    ages = _metric("payments_exceptions_oldest_seconds", labels=("reason",))
    for reason, number, oldest in gauges.exceptions:
        counts.add_metric([reason], number)
        ages.add_metric([reason], _age_seconds(oldest, now))
    yield from (counts, ages)


def _of_chunks(gauges: Gauges) -> Iterator[Metric]:
    chunks = gauges.chunks
    yield _metric("payments_import_chunks", chunks.count)
    times = _metric("payments_import_chunk_seconds", labels=("which",))
    times.add_metric(["median"], chunks.middle_ms / 1000)
    times.add_metric(["slowest"], chunks.slow_ms / 1000)
    sizes = _metric("payments_import_chunk_size", labels=("which",))
    sizes.add_metric(["median"], chunks.middle_size)
    sizes.add_metric(["largest"], chunks.largest_size)
    yield from (times, sizes)


def _unexplained(site: Site, now: datetime) -> _Unexplained:
    with _LOCK:
        kept = _KEPT.unexplained
        if kept is None or now - kept.at > BALANCED_ANEW_AFTER:
            with site.ledger() as tx:
                balance = balancing.balance(tx, BalanceQuery(*last_full_week(now.date())))
            kept = _Unexplained(now, int(balance.unexplained * 100), len(balance.unexplained_lines))
            _KEPT.unexplained = kept
        return kept


def _age_seconds(oldest: datetime | None, now: datetime) -> float:
    return max(0.0, (now - oldest).total_seconds()) if oldest else 0.0
