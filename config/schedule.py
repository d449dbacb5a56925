"""The recurring tasks that Celery beat sends, by their wire names, with their intervals.

The recurring messages are fallbacks. Usually an import enqueues the tasks that follow it, and the intake enqueues the
tasks whose work is due. So the intervals are long, and Flower's list of tasks does not fill with sweeps that found no
work.
"""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True)
class RecurringTask:
    """A task that Celery beat sends repeatedly, to the queue to which Celery routes the task."""

    task: str
    every: timedelta
    purpose: str
    """The purpose of the task, for `docs/reference/schedule.md`."""

    def entry(self) -> dict[str, object]:
        """Return the task's entry in Celery's `beat_schedule`.

        The messages do not expire, because the worker would compare an expiry with its own clock.
        """
        return {"task": self.task, "schedule": self.every}

    @property
    def late_after(self) -> timedelta:
        """The time since the last success after which the task counts as late."""
        return 3 * self.every + timedelta(minutes=1)


RECURRING: tuple[RecurringTask, ...] = (
    RecurringTask(
        "payments.retry_due",
        every=timedelta(minutes=1),
        purpose="Re-evaluates held and requeued payments whose retry time has come. The intake sends this task as "
        "well, within five seconds after a payment is due.",
    ),
    RecurringTask(
        "billing.detect_exceptions",
        every=timedelta(minutes=1),
        purpose="Opens, recalculates and closes Billing Exceptions that the task after an import missed.",
    ),
    RecurringTask(
        "billing.apply_at_once",
        every=timedelta(minutes=1),
        purpose="Applies Payments on Account, and unapplies money that a payment or charge no longer has. The intake "
        "sends this task as well, within five seconds after an account is queued.",
    ),
    RecurringTask(
        "billing.distribute_payments",
        every=timedelta(minutes=5),
        purpose="Distributes every account by all rules, once a night for each company after 2:00 of its own time. "
        "An interrupted run continues where it stopped.",
    ),
    RecurringTask(
        "billing.balance",
        every=timedelta(minutes=5),
        purpose="Compares the EMR with Billing for the last full week, once a night, after 2:00 in every time zone. An "
        "unexplained amount is an error in the log. An interrupted run continues where it stopped.",
    ),
    RecurringTask(
        "billing.snapshot_queues",
        every=timedelta(minutes=5),
        purpose="Stores how many payments are not in Billing and how many exceptions are open, with amount and age, by "
        "company, clinic and cause: once a night, after 2:00 in every time zone. An interrupted run continues where it "
        "stopped.",
    ),
    RecurringTask(
        "billing.make_room",
        every=timedelta(hours=1),
        purpose="Creates the next months' partitions of the tables that are partitioned by month. "
        "A table that a long report keeps locked is left for the next run.",
    ),
    RecurringTask(
        "billing.analyze_tables",
        every=timedelta(minutes=1),
        purpose="Analyzes tables to which many rows were added, as by a bulk load or a restore. "
        "Otherwise reports are planned badly until autovacuum has analyzed them.",
    ),
    RecurringTask(
        "billing.apply_adjustments",
        every=timedelta(minutes=1),
        purpose="Accepts exceptions of closed months for companies whose adjustment policy is `auto`.",
    ),
    RecurringTask(
        "billing.run_requeues",
        every=timedelta(minutes=5),
        purpose="Continues requeue runs whose worker or command ended. The intake sends this task as well, while a run "
        "has payments left.",
    ),
    RecurringTask(
        "billing.close_months",
        every=timedelta(minutes=5),
        purpose="Closes months that were scheduled on an earlier day, and finishes a close that was interrupted.",
    ),
)


def beat_schedule() -> dict[str, dict[str, object]]:
    """Return Celery's `beat_schedule`, with one entry for each task."""
    return {recurring.task: recurring.entry() for recurring in RECURRING}
