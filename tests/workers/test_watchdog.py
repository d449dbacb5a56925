"""When a worker counts as stalled, second by second."""

import weakref
from collections.abc import Iterator

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


def test_received_message_restarts_the_measurement() -> None:
    watchdog = Watchdog()
    for second in range(STALLED_SECONDS):
        assert not watchdog.is_stalled(waiting=True, busy=False, now=float(second))
    watchdog.message_received(sender=None)

    assert not watchdog.is_stalled(waiting=True, busy=False, now=float(STALLED_SECONDS))


class Request:
    """A running task."""


class ChangingSet(weakref.WeakSet[Request]):
    """Running requests to which another is added during the iteration."""

    def __iter__(self) -> Iterator[Request]:
        for each in super().__iter__():
            self.kept = Request()
            self.add(self.kept)
            yield each


def test_worker_is_busy_when_a_task_starts_during_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Request()
    monkeypatch.setattr(state, "active_requests", ChangingSet([first]))

    assert watchdog_module._is_busy(0.0)
