"""Clocks that are set back: notices it, and has beat go on all the same; knows no task."""

from celery.beat import PersistentScheduler

TOLERANCE_MS = 1_000
"""By so much clocks are corrected all the time."""


class ServerClock:
    """Says of another machine's clock whether it was set back, by a clock of ours that cannot be."""

    def __init__(self) -> None:
        self._ahead_ms: int | None = None

    def was_set_back(self, there_ms: int, here_ms: int) -> bool:
        """Take note of what both show, and say whether the other one has lost time since the last look."""
        before, self._ahead_ms = self._ahead_ms, there_ms - here_ms
        return before is not None and self._ahead_ms < before - TOLERANCE_MS


class SteadyScheduler(PersistentScheduler):
    """Beat's schedule, which keeps its intervals when the clock is set back.

    By itself beat would send nothing until the clock is where it was before, and longer; also after a start, where its
    last one was under a clock that ran ahead.
    """

    def tick(self, *arguments: object, **options: object) -> float:
        """Send what is due, and return after how many seconds to look again."""
        ahead = [entry for entry in self.schedule.values() if entry.last_run_at > entry.default_now()]
        for entry in ahead:
            entry.last_run_at = entry.default_now()
        if ahead:
            self._heap = None
        seconds: float = super().tick(*arguments, **options)
        return seconds
