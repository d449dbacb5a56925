"""The performance targets. Compare the results with them."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from bench import backlog, distribution, growth, pages

OURS_ONE, OURS_TWO = "ours, 1 process", "ours, 2 processes"
LOWER_BOUNDS = ("floor, 1 process", "floor, 2 processes")
CELERY_CONTENDERS = ("Celery, our settings", "Celery, as it comes")
ONE_TASK_A_PAYMENT = "one Celery task a payment"


class Target(NamedTuple):
    """A performance target: its limit, and the measured value.

    The value must be at least the limit if `at_least`, otherwise at most the limit.
    """

    name: str
    found: float
    limit: float
    at_least: bool

    @property
    def is_met(self) -> bool:
        """Whether the measured value meets the limit."""
        return self.found >= self.limit if self.at_least else self.found <= self.limit


def evaluate(results: Mapping[str, Any]) -> list[Target]:
    """Return all targets with their measured values."""
    return [
        *_import_targets(results["import"]),
        _latency_target(results["latency"]),
        *_size_targets(results),
        _page_target(results),
    ]


def _import_targets(rates: Mapping[str, float]) -> list[Target]:
    best = max(rates[OURS_ONE], rates[OURS_TWO])
    others = [rate for name, rate in rates.items() if name not in (OURS_ONE, OURS_TWO, *LOWER_BOUNDS)]
    celery, floor = (max(rates[name] for name in names) for names in (CELERY_CONTENDERS, LOWER_BOUNDS))
    return [
        Target("import against the faster Celery doing nothing", best / celery, 15, at_least=True),
        Target("import against the fastest contender", best / max(others), 1, at_least=True),
        Target("import against the fastest floor", best / floor, 0.5, at_least=True),
    ]


def _latency_target(waits: Mapping[str, Any]) -> Target:
    ratio = waits["ours, 200/s"]["p99"] / waits["bare Celery, 50/s"]["p99"]
    return Target("p99 at 200 events/s against a bare Celery round trip", ratio, 3, at_least=False)


def _page_target(results: Mapping[str, Any]) -> Target:
    slowest = max(each["reading"] / each["bare"] for each in results["pages"].values())
    return Target(
        "a page of 50 out of a million against a bare query, the slowest", slowest, pages.TIME_RATIO_MAX, at_least=False
    )


def _size_targets(results: Mapping[str, Any]) -> list[Target]:
    (small, large, *_), (few, many) = results["growth"], results["backlog"]
    stored = f"rate at {large['stored']:,} stored against {small['stored']:,}"
    waiting = f"{many['events']:,} waiting against {few['events']:,}"
    less, more = results["distribution"]
    slower = more["microseconds"] / less["microseconds"]
    sizes = f"{more['payments']:,} against {less['payments']:,}"
    return [
        Target(stored, large["rate"] / small["rate"], growth.RATE_SHARE_MIN, at_least=True),
        *(
            Target(
                f"memory of the {name}, {waiting}",
                many["memory"][name] / used,
                backlog.MEMORY_RATIO_MAX,
                at_least=False,
            )
            for name, used in few["memory"].items()
        ),
        Target(f"distribution of a payment, {sizes}", slower, distribution.TIME_RATIO_MAX, at_least=False),
    ]
