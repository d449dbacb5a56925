"""What beat sends, and how often; knows the wire names of tasks and nothing of their code."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class Recurring:
    """One task that beat sends again and again; its queue comes from the routes."""

    task: str
    every: timedelta

    def entry(self) -> dict[str, object]:
        """Return it as Celery's beat wants it: a message that finds no worker expires, so that no pile builds up."""
        seconds = self.every.total_seconds()
        return {"task": self.task, "schedule": self.every, "options": {"expires": seconds}}


RECURRING: tuple[Recurring, ...] = (
    # Takes up what had to wait: an unknown patient, a month that was closing, a try that failed.
    Recurring("payments.retry_due", every=timedelta(seconds=5)),
    # Opens, recomputes and closes exceptions that a hint after the import did not lead to.
    Recurring("billing.detect_exceptions", every=timedelta(seconds=5)),
    # Payments on Account, and money to give back, where the hint after the import was lost.
    Recurring("billing.apply_at_once", every=timedelta(seconds=5)),
    # The four distribution rules, account by account, for the companies whose night has come.
    Recurring("billing.distribute_payments", every=timedelta(minutes=5)),
    # The last full week, EMR against Billing; anything unexplained is an error in the log.
    Recurring("billing.balance", every=timedelta(hours=24)),
    # The tables that only grow have a part for each month.
    Recurring("billing.make_room", every=timedelta(hours=24)),
    # For the companies that have their adjustments posted without asking.
    Recurring("billing.apply_adjustments", every=timedelta(seconds=30)),
    # Months that were scheduled on an earlier day, and a close that was cut off half-way.
    Recurring("billing.close_months", every=timedelta(minutes=5)),
)


def beat_schedule() -> dict[str, dict[str, object]]:
    """Return the schedule as Celery's `beat_schedule`, one entry a task."""
    return {recurring.task: recurring.entry() for recurring in RECURRING}
