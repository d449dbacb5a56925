"""Metrics of each company, for alarms.

In a sum over companies, one company's improvement could hide another's failures.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import NamedTuple

from prometheus_client.core import Metric

from console.web.metric_definitions import new_metric
from payments.core.outcome import Reason, Status
from payments.journeys.dashboard import Gauges

FAILED_REASONS = tuple(
    reason for reason in Reason if reason is Reason.RETRIES_EXHAUSTED or reason.status is Status.VALIDATION_FAILED
)
"""The Not Sent reasons that are failures. All other reasons follow from a clinic's settings."""


class Unexplained(NamedTuple):
    """The unexplained difference between the EMR and Billing in the last full week: in cents, and in payments."""

    cents: int
    lines: int


def company_metrics(gauges: Gauges, unexplained: Mapping[str | None, Unexplained], now: datetime) -> Iterator[Metric]:
    """Yield the metrics of each company. The label `company` is empty for events whose company is unreadable.

    A company without failed payments has samples of 0, so that an alarm on an increase counts its first failure.
    """
    companies: list[str | None] = [None, *gauges.companies]
    numbers = Counter({(company, reason.value): 0 for company in companies for reason in FAILED_REASONS})
    for each in gauges.unsuccessful:
        if each.reason in FAILED_REASONS:
            numbers[each.company, str(each.reason)] += each.count
    failed = new_metric("payments_company_failed")
    for (company, reason), number in numbers.items():
        failed.add_metric([company or "", reason], number)
    yield failed
    yield from _exception_metrics(gauges, now)
    postponed = new_metric("payments_postponed_work")
    for item in gauges.postponed:
        postponed.add_metric([item.company, item.kind], item.items)
    yield postponed
    cents, lines = (new_metric(f"payments_company_unexplained_{unit}") for unit in Unexplained._fields)
    for company, found in unexplained.items():
        cents.add_metric([company or ""], found.cents)
        lines.add_metric([company or ""], found.lines)
    yield from (cents, lines)


def _exception_metrics(gauges: Gauges, now: datetime) -> Iterator[Metric]:
    counts = Counter(dict.fromkeys(gauges.companies, 0))
    oldest: dict[str, datetime] = {}
    for each in gauges.exceptions:
        counts[each.company] += each.count
        oldest[each.company] = min(each.oldest_at, oldest.get(each.company, each.oldest_at))
    opened = new_metric("payments_company_exceptions_open")
    ages = new_metric("payments_company_exceptions_oldest_seconds")
    for company, count in counts.items():
        opened.add_metric([company], count)
    for company, at in oldest.items():
        ages.add_metric([company], max(0.0, (now - at).total_seconds()))
    yield from (opened, ages)
