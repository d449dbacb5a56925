"""The nightly jobs, and their result for one company and one night."""

from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import NamedTuple

from payments.contract.money import ZERO, Money
from payments.core.distribution import NIGHT_BEGINS


class NightlyJob(StrEnum):
    """A job that runs once a night for each company. The values are stored."""

    DISTRIBUTION = "distribution"
    BALANCING = "balancing"
    CLOSE = "close"


class Progress(NamedTuple):
    """The amount of work that a job did for a company, in one transaction or in one night.

    - `examined`: the number of accounts in a distribution, of clinics in a balancing.
    - `found`: the number of allocations in a distribution, of unexplained lines in a balancing.
    - `amount`: the amount applied in a distribution, the unexplained amount in a balancing; in dollars.
    """

    examined: int
    found: int
    amount: Money = ZERO


class NightlyState(StrEnum):
    """The state of a company's job in the current night."""

    DONE = "done"
    RUNNING = "running"
    DUE = "due"
    OVERDUE = "overdue"
    FAILED = "failed"


class NightlyResult(NamedTuple):
    """The result of a job for a company and a night. `finished_at` is None while the job runs."""

    company_id: str
    job: NightlyJob
    day: date
    started_at: datetime
    finished_at: datetime | None
    progress: Progress


OVERDUE_AFTER = timedelta(hours=4)
"""A job that is not complete is overdue when this time has passed since the nightly runs began."""


def nightly_state(done: date, due: date, local: datetime, *, is_running: bool) -> NightlyState:
    """Return the state of a nightly job that has not failed: DONE, RUNNING, DUE or OVERDUE. The caller detects FAILED.

    `done` is the date of the last night for which the job is complete. `due` is the date of the latest night that has
    begun. `local` is the current time in the time zone of these dates.
    """
    if done >= due:
        return NightlyState.DONE
    begun = datetime.combine(due, time(), local.tzinfo) + NIGHT_BEGINS
    if local - begun > OVERDUE_AFTER:
        return NightlyState.OVERDUE
    return NightlyState.RUNNING if is_running else NightlyState.DUE
