"""A Celery beat scheduler that keeps its intervals when the system clock is set back."""

from celery.beat import PersistentScheduler


class SteadyScheduler(PersistentScheduler):
    """Beat's persistent scheduler, tolerant of a clock that is set back.

    Celery's own scheduler would send nothing until the clock reaches the time of the last run again. The same happens
    after a start if the last run was under a clock that ran ahead.
    """

    def tick(self, *arguments: object, **options: object) -> float:
        """Send what is due, and return the seconds until the next tick."""
        ahead = [entry for entry in self.schedule.values() if entry.last_run_at > entry.default_now()]
        for entry in ahead:
            entry.last_run_at = entry.default_now()
        if ahead:
            self._heap = None
        seconds: float = super().tick(*arguments, **options)
        return seconds
