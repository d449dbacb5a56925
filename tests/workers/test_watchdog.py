"""When a worker counts as deaf, as a table of what it sees second by second."""

import weakref
from collections.abc import Iterator

import pytest
from celery.worker import state

from workers.runtime import watchdog as watchdog_module
from workers.runtime.watchdog import STALLED_SECONDS, Watchdog

WAITS, BUSY, QUIET = (True, False), (True, True), (False, False)


@pytest.mark.parametrize(
    ("seen", "lost_at"),
    [
        ([WAITS] * 30, STALLED_SECONDS),
        ([QUIET] * 30, None),
        ([BUSY] * 30, None),
        ([WAITS] * 10 + [QUIET] + [WAITS] * 14, None),
        ([WAITS] * 10 + [BUSY] + [WAITS] * 30, 11 + STALLED_SECONDS),
        ([BUSY] * 20 + [WAITS] * 30, 20 + STALLED_SECONDS),
    ],
)
def test_a_worker_is_deaf_once_messages_wait_too_long_while_it_is_at_nothing(
    seen: list[tuple[bool, bool]], lost_at: int | None
) -> None:
    watchdog = Watchdog()
    lost = [
        second
        for second, (waiting, busy) in enumerate(seen)
        if watchdog.is_stalled(waiting=waiting, busy=busy, now=float(second))
    ]

    assert (lost or [None])[0] == lost_at


def test_a_message_that_comes_begins_the_time_anew() -> None:
    watchdog = Watchdog()
    for second in range(STALLED_SECONDS):
        assert not watchdog.is_stalled(waiting=True, busy=False, now=float(second))
    watchdog.message_received(sender=None)

    assert not watchdog.is_stalled(waiting=True, busy=False, now=float(STALLED_SECONDS))


class Request:
    """A task that a worker has under way."""


class Changing(weakref.WeakSet[Request]):
    """The requests under way, of which another begins while somebody counts them."""

    def __iter__(self) -> Iterator[Request]:
        for each in super().__iter__():
            self.kept = Request()
            self.add(self.kept)
            yield each


def test_a_worker_is_busy_where_a_task_begins_while_the_tasks_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    first = Request()
    monkeypatch.setattr(state, "active_requests", Changing([first]))

    assert watchdog_module._is_busy(0.0)
