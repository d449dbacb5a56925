"""Nightly jobs run once per night, and once after several missed nights. PostgreSQL records their runs."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from threading import Barrier

import pytest
from sqlalchemy import text

from payments.store.db.connection import Database, Transaction, transaction
from payments.store.ledger import job_runs
from payments.store.ledger.job_runs import InstallationJob, JobRun

pytestmark = pytest.mark.slow

# Two o'clock of June 10 at UTC-12, where a night begins last.
NIGHT_BEGINS_AT = datetime(2026, 6, 10, 14, tzinfo=UTC)
JUNE_10 = date(2026, 6, 10)


def run_if_due(tx: Transaction, now: datetime) -> date | None:
    """Run the job if it is due. Return the day for which it ran, or None."""
    due = job_runs.lock_due(tx, InstallationJob.BALANCE, now)
    if due is None:
        return None
    job_runs.record_complete(tx, due, now)
    return due.day


@pytest.fixture
def tx(tx: Transaction) -> Transaction:
    """A transaction in which no job has run yet."""
    tx.execute(text("DELETE FROM job_runs"))
    return tx


@pytest.fixture
def job_database(database: Database) -> Database:
    """A database where no job has run yet. Tests commit to it."""
    with transaction(database) as tx:
        tx.execute(text("DELETE FROM job_runs"))
    return database


def test_job_that_never_ran_is_due_immediately(tx: Transaction) -> None:
    assert run_if_due(tx, NIGHT_BEGINS_AT - timedelta(hours=1)) == JUNE_10 - timedelta(days=1)
    assert run_if_due(tx, NIGHT_BEGINS_AT - timedelta(hours=1)) is None


@pytest.mark.parametrize(
    ("later", "day"),
    [
        (timedelta(minutes=5), None),
        (timedelta(hours=23, minutes=59), None),
        (timedelta(days=1), date(2026, 6, 11)),
        (timedelta(days=9), date(2026, 6, 19)),
        (timedelta(hours=-1), None),
        (timedelta(days=-40), None),
    ],
    ids=["5 min later", "end of the day", "next night", "nine nights missed", "clock back", "clock far back"],
)
def test_job_runs_once_a_night_and_once_after_missed_nights(
    tx: Transaction, later: timedelta, day: date | None
) -> None:
    assert run_if_due(tx, NIGHT_BEGINS_AT) == JUNE_10

    assert run_if_due(tx, NIGHT_BEGINS_AT + later) == day
    assert run_if_due(tx, NIGHT_BEGINS_AT + later) is None


@pytest.mark.parametrize("minutes", range(0, 1_440, 45))
def test_scheduler_that_restarts_at_any_time_neither_skips_nor_repeats_a_night(tx: Transaction, minutes: int) -> None:
    """The scheduler is restarted daily at this minute, and triggers the job every five hours between restarts."""
    start = NIGHT_BEGINS_AT + timedelta(minutes=minutes)
    asked = sorted(start + timedelta(days=day, hours=hour) for day in range(6) for hour in (0, 0.01, 5, 10, 15, 20))

    days = [day for day in (run_if_due(tx, each) for each in asked) if day]

    assert days == [JUNE_10 + timedelta(days=number) for number in range(len(days))]
    assert len(days) >= 6


def test_interrupted_run_is_repeated(job_database: Database) -> None:
    with job_database.connect() as tx:  # as a worker that is killed: it never commits
        assert run_if_due(tx, NIGHT_BEGINS_AT) == JUNE_10

    with transaction(job_database) as tx:
        assert run_if_due(tx, NIGHT_BEGINS_AT) == JUNE_10


def test_run_continues_after_its_last_company_until_it_is_complete(tx: Transaction) -> None:
    due = JobRun(InstallationJob.BALANCE, JUNE_10)
    assert job_runs.lock_due(tx, InstallationJob.BALANCE, NIGHT_BEGINS_AT) == due

    job_runs.record_progress(tx, due, "company-7")
    assert job_runs.lock_due(tx, InstallationJob.BALANCE, NIGHT_BEGINS_AT) == due._replace(last_company="company-7")

    job_runs.record_complete(tx, due, NIGHT_BEGINS_AT)
    assert job_runs.lock_due(tx, InstallationJob.BALANCE, NIGHT_BEGINS_AT) is None


def test_run_of_the_next_night_starts_with_the_first_company(tx: Transaction) -> None:
    job_runs.record_progress(tx, JobRun(InstallationJob.BALANCE, JUNE_10), "company-7")

    next_run = job_runs.lock_due(tx, InstallationJob.BALANCE, NIGHT_BEGINS_AT + timedelta(days=1))

    assert next_run == JobRun(InstallationJob.BALANCE, JUNE_10 + timedelta(days=1))


def test_only_one_of_several_workers_runs_the_job(job_database: Database) -> None:
    together = Barrier(3)

    def ask() -> date | None:
        with transaction(job_database) as tx:
            together.wait()
            return run_if_due(tx, NIGHT_BEGINS_AT)

    with ThreadPoolExecutor(3) as pool:
        days = [each.result() for each in [pool.submit(ask) for _ in range(3)]]

    assert sorted(days, key=str) == [JUNE_10, None, None]
