"""Jobs that run once a day for the whole installation, and the day of their last run.

The day is stored in the transaction of the run. So a restart neither skips a run nor repeats one, and of several
workers one runs the job. A job that missed days runs once.
"""

from datetime import date, datetime, timedelta, timezone
from enum import StrEnum

from payments.core.distribution import nightly_run_date
from payments.store.db.advisory_locks import AdvisoryLock, try_acquire
from payments.store.db.connection import Transaction
from payments.store.db.statement import text

_WESTERNMOST = timezone(timedelta(hours=-12))


class Job(StrEnum):
    """A job that runs once a day. The value is its key in the database."""

    BALANCE = "balance"


_LOCKS = {Job.BALANCE: AdvisoryLock.NIGHTLY_BALANCE}


def lock_due(tx: Transaction, job: Job, now: datetime) -> date | None:
    """Return the day for which a job is due, or None.

    A job is due once the night has begun in every time zone, unless it ran for that day or another transaction is
    running it. Locks: the advisory lock of the job.
    """
    if not try_acquire(tx, _LOCKS[job]):
        return None
    day = current_day(now)
    last_day = tx.execute(text("SELECT day FROM job_runs WHERE job = :job"), {"job": job}).scalar_one_or_none()
    return day if last_day is None or last_day < day else None


def current_day(now: datetime) -> date:
    """Return the day of the latest night that has begun in every time zone."""
    return nightly_run_date(now.astimezone(_WESTERNMOST))


def record(tx: Transaction, job: Job, day: date, now: datetime) -> None:
    """Store that a job has run for this day. Call it in the transaction of the run, after `lock_due`."""
    tx.execute(
        text(
            "INSERT INTO job_runs (job, day, finished_at) VALUES (:job, :day, :now) "
            "ON CONFLICT (job) DO UPDATE SET day = excluded.day, finished_at = excluded.finished_at"
        ),
        {"job": job, "day": day, "now": now},
    )
