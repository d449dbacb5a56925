"""Jobs that run once a day for the whole installation: the day of the last run, and the progress of the current run.

Both are stored in the transactions of the run. A restart therefore neither skips nor repeats a run, and only one of
several workers runs the job. A job that has missed several days runs once.
"""

from datetime import date, datetime, timedelta, timezone
from enum import StrEnum
from typing import NamedTuple

from payments.core.distribution import nightly_run_date
from payments.store.db.advisory_locks import AdvisoryLock, try_acquire
from payments.store.db.connection import Transaction
from payments.store.db.statement import text

WESTERNMOST_TIMEZONE = timezone(timedelta(hours=-12))


class InstallationJob(StrEnum):
    """A job that runs once a day. The value is the job's key in the database."""

    BALANCE = "balance"
    SNAPSHOT = "snapshot"


_LOCK_BY_JOB = {
    InstallationJob.BALANCE: AdvisoryLock.NIGHTLY_BALANCE,
    InstallationJob.SNAPSHOT: AdvisoryLock.NIGHTLY_SNAPSHOT,
}


class JobRun(NamedTuple):
    """The run of a job for a day. `last_company` is the last company that was processed, empty if there is none."""

    job: InstallationJob
    day: date
    last_company: str = ""


def lock_due(tx: Transaction, job: InstallationJob, now: datetime) -> JobRun | None:
    """Return the run of a job if it is due and not complete, otherwise None.

    A job is due once the night has begun in every time zone, unless it has already run for that night. Also returns
    None if another transaction is running the job. Locks: the advisory lock of the job.
    """
    if not try_acquire(tx, _LOCK_BY_JOB[job]):
        return None
    day = current_day(now)
    stored = tx.execute(
        text("SELECT day, running_day, last_company FROM job_runs WHERE job = :job"), {"job": job}
    ).one_or_none()
    if stored is None:
        return JobRun(job, day)
    if stored.day is not None and stored.day >= day:
        return None
    return JobRun(job, day, stored.last_company if stored.running_day == day else "")


def current_day(now: datetime) -> date:
    """Return the day of the latest night that has begun in every time zone."""
    return nightly_run_date(now.astimezone(WESTERNMOST_TIMEZONE))


def record_progress(tx: Transaction, run: JobRun, last_company: str) -> None:
    """Store the last company that a run has processed. Call it after `lock_due`, in the same transaction."""
    tx.execute(
        text(
            "INSERT INTO job_runs (job, running_day, last_company) VALUES (:job, :day, :last_company) "
            "ON CONFLICT (job) DO UPDATE SET running_day = excluded.running_day, last_company = excluded.last_company"
        ),
        {"job": run.job, "day": run.day, "last_company": last_company},
    )


def record_complete(tx: Transaction, run: JobRun, now: datetime) -> None:
    """Store that a run is complete. Call it after `lock_due`, in the same transaction."""
    tx.execute(
        text(
            "INSERT INTO job_runs (job, day, finished_at) VALUES (:job, :day, :now) "
            "ON CONFLICT (job) DO UPDATE SET day = excluded.day, finished_at = excluded.finished_at"
        ),
        {"job": run.job, "day": run.day, "now": now},
    )
