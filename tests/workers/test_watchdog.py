"""The watchdog decides every second whether a worker is stalled."""

import time
import weakref
from collections.abc import Iterator
from types import SimpleNamespace

import pytest
from celery.worker import state

from workers.runtime import watchdog as watchdog_module
from workers.runtime.watchdog import STALLED_SECONDS, Watchdog

WAITING, BUSY, QUIET = (True, False), (True, True), (False, False)


@pytest.mark.parametrize(
    ("observations", "stalled_at"),
    [
        ([WAITING] * 30, STALLED_SECONDS),
        ([QUIET] * 30, None),
        ([BUSY] * 30, None),
        ([WAITING] * 10 + [QUIET] + [WAITING] * 14, None),
        ([WAITING] * 10 + [BUSY] + [WAITING] * 30, 11 + STALLED_SECONDS),
        ([BUSY] * 20 + [WAITING] * 30, 20 + STALLED_SECONDS),
    ],
)
def test_worker_is_stalled_when_messages_wait_too_long_while_it_is_idle(
    observations: list[tuple[bool, bool]], stalled_at: int | None
) -> None:
    watchdog = Watchdog()
    stalled = [
        second
        for second, (waiting, busy) in enumerate(observations)
        if watchdog.is_stalled(waiting=waiting, busy=busy, now=float(second))
    ]

    assert (stalled or [None])[0] == stalled_at


def test_worker_that_receives_a_message_is_not_stalled() -> None:
    watchdog = Watchdog()
    for second in range(STALLED_SECONDS):
        assert not watchdog.is_stalled(waiting=True, busy=False, now=float(second))
    watchdog.message_received(sender=None)

    assert not watchdog.is_stalled(waiting=True, busy=False, now=float(STALLED_SECONDS))


class RunningRequest:
    """A request that a worker runs, with the start time and the hard time limit in seconds."""

    def __init__(self, started: float = 0.0, time_limit: float | None = None) -> None:
        self.id, self.time_start, self.task = str(id(self)), started, SimpleNamespace(time_limit=time_limit)


@pytest.mark.parametrize("step_seconds", [-86_400, -3_600, 3_600, 86_400])
def test_busy_worker_outlives_a_step_of_the_system_clock(monkeypatch: pytest.MonkeyPatch, step_seconds: int) -> None:
    """The system clock is set while messages wait and the only pool process runs a task."""
    watchdog, clock, ticks = Watchdog(), time.time, iter(range(100))
    request = RunningRequest(started=clock())
    monkeypatch.setattr(state, "active_requests", weakref.WeakSet([request]))
    monkeypatch.setattr("time.monotonic", lambda: float(next(ticks)))

    assert not watchdog_module._is_stalled(watchdog, lambda: True)
    monkeypatch.setattr("time.time", lambda: clock() + step_seconds)

    assert not any(watchdog_module._is_stalled(watchdog, lambda: True) for _ in range(60))


@pytest.mark.parametrize(("time_limit", "counts_seconds"), [(None, 120), (10.0, 40)])
def test_task_past_its_hard_limit_no_longer_counts_as_running(time_limit: float | None, counts_seconds: int) -> None:
    watchdog, request = Watchdog(), RunningRequest(time_limit=time_limit)

    counted = [second for second in range(200) if watchdog.is_busy([request], float(second))]

    assert counted == list(range(counts_seconds))
    assert watchdog.is_busy([RunningRequest()], 200.0)


class ChangingSet(weakref.WeakSet[RunningRequest]):
    """A set of running requests. Each iteration adds another request."""

    def __iter__(self) -> Iterator[RunningRequest]:
        for each in super().__iter__():
            self.kept = RunningRequest()
            self.add(self.kept)
            yield each


def test_worker_is_busy_when_a_task_starts_during_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    first = RunningRequest()
    monkeypatch.setattr(state, "active_requests", ChangingSet([first]))

    assert watchdog_module._is_busy(Watchdog(), 0.0)
