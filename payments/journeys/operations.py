"""Report last night's jobs, postponed work and dead letters to operators."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from payments.core.distribution import nightly_run_date
from payments.core.month import Month
from payments.core.nightly_job import NightlyJob, NightlyResult, NightlyState, Progress, nightly_state
from payments.core.postponed_work import WorkKind
from payments.core.scope import Scope
from payments.store.db.connection import Transaction
from payments.store.ledger import import_tasks, job_runs, nightly_results
from payments.store.ledger.import_tasks import TaskEvent
from payments.store.reports import operations
from payments.store.reports.operations import DeadLetterCount, NightlyDistribution, PostponedRow

__all__ = ["DeadLetterCount", "PostponedRow", "TaskEvent"]

POSTPONED_ROWS_MAX = 500
RECENT_CLOSE_AGE_MAX = timedelta(days=1)
_WORK_KIND_BY_JOB = {
    NightlyJob.DISTRIBUTION: WorkKind.DISTRIBUTE_COMPANY,
    NightlyJob.BALANCING: WorkKind.BALANCE_COMPANY,
    NightlyJob.CLOSE: WorkKind.CLOSE_MONTH,
}


class NightlyRow(NamedTuple):
    """A nightly job of a company: its state in the night of `day`, its result, and its error if it failed.

    `failed_items` is the number of accounts that failed while the job continued with the others. `month` is set for a
    close.
    """

    company: str
    job: NightlyJob
    day: date
    state: NightlyState
    finished_at: datetime | None
    progress: Progress | None
    failed_items: int = 0
    error: str = ""
    next_try_at: datetime | None = None
    month: Month | None = None

    @property
    def has_problem(self) -> bool:
        """Whether a person must look at the job."""
        is_unexplained = self.job is NightlyJob.BALANCING and self.progress is not None and self.progress.found > 0
        return self.state in {NightlyState.FAILED, NightlyState.OVERDUE} or bool(self.failed_items) or is_unexplained


class Operations(NamedTuple):
    """The nightly jobs, the postponed work and the dead letters of a scope. Jobs with a problem come first."""

    nightly: Sequence[NightlyRow]
    postponed: Sequence[PostponedRow]
    dead_letters: Sequence[DeadLetterCount]


def read_operations(tx: Transaction, now: datetime, scope: Scope) -> Operations:
    """Return the nightly jobs, the postponed work and the dead letters of a scope.

    Jobs and postponed work belong to whole companies. A scope that is limited to clinics therefore has none.
    """
    if scope.clinics is not None:
        return Operations((), (), operations.dead_letters(tx, scope))
    postponed = operations.postponed_work(tx, scope, POSTPONED_ROWS_MAX)
    results = {(each.company_id, each.job): each for each in nightly_results.newest(tx, scope)}
    failed = {(each.company, each.kind): each for each in postponed if not each.item}
    rows: list[NightlyRow] = []
    for company in operations.nightly_distributions(tx, scope):
        rows += _latest_nights(company, results, now)
    rows += _close_rows(tx, now, scope, postponed)
    rows = [_with_failures(row, failed, postponed) for row in rows]
    rows += _failed_without_result(rows, failed.values())
    in_order = sorted(rows, key=lambda row: (not row.has_problem, row.company, row.job))
    return Operations(in_order, postponed, operations.dead_letters(tx, scope))


def read_history_of_task(tx: Transaction, task_id: str, scope: Scope, limit: int) -> Sequence[TaskEvent]:
    """Return up to `limit` history events that a Celery task added, in order, for the payments of a scope."""
    return import_tasks.list_events(tx, task_id, scope, limit)


def _latest_nights(
    company: NightlyDistribution, results: dict[tuple[str, NightlyJob], NightlyResult], now: datetime
) -> Iterator[NightlyRow]:
    """Yield the rows of a company's distribution and balancing in the latest night. Jobs that never ran are omitted."""
    local = now.astimezone(ZoneInfo(company.timezone))
    distributed = results.get((company.company_id, NightlyJob.DISTRIBUTION))
    if company.distributed_on is not None:
        is_running = company.is_distributing
        state = nightly_state(company.distributed_on, nightly_run_date(local), local, is_running=is_running)
        yield _nightly_row(company.company_id, NightlyJob.DISTRIBUTION, company.distributed_on, state, distributed)
    if balanced := results.get((company.company_id, NightlyJob.BALANCING)):
        westernmost = now.astimezone(job_runs.WESTERNMOST_TIMEZONE)
        state = nightly_state(balanced.day, job_runs.current_day(now), westernmost, is_running=False)
        yield _nightly_row(company.company_id, NightlyJob.BALANCING, balanced.day, state, balanced)


def _nightly_row(
    company_id: str, job: NightlyJob, day: date, state: NightlyState, result: NightlyResult | None
) -> NightlyRow:
    is_of_day = result is not None and result.day == day
    finished_at = result.finished_at if result and is_of_day else None
    return NightlyRow(company_id, job, day, state, finished_at, result.progress if result and is_of_day else None)


def _close_rows(
    tx: Transaction, now: datetime, scope: Scope, postponed: Sequence[PostponedRow]
) -> Iterable[NightlyRow]:
    """Yield the rows of recent closes: finished within the last day, in progress, or failed."""
    failed = {(each.company, each.item): each for each in postponed if each.kind == WorkKind.CLOSE_MONTH}
    closed = operations.recent_closes(tx, scope, now - RECENT_CLOSE_AGE_MAX)
    for each in closed:
        month = Month.of(each.month)
        if each.closed_at is not None:
            day = each.closed_at.astimezone(UTC).date()
            yield NightlyRow(each.company, NightlyJob.CLOSE, day, NightlyState.DONE, each.closed_at, None, month=month)
        elif (each.company, str(month)) not in failed:
            day = now.astimezone(UTC).date()
            yield NightlyRow(each.company, NightlyJob.CLOSE, day, NightlyState.RUNNING, None, None, month=month)
    for work in failed.values():
        row = NightlyRow(
            work.company, NightlyJob.CLOSE, work.failed_at.astimezone(UTC).date(), NightlyState.FAILED, None, None
        )
        yield row._replace(month=Month.parse(work.item), error=work.error, next_try_at=work.next_try_at)


def _failed_without_result(rows: Sequence[NightlyRow], failed: Iterable[PostponedRow]) -> Iterator[NightlyRow]:
    """Yield rows for failed jobs that are not in `rows`, because they never had a result."""
    known = {(row.company, row.job) for row in rows}
    for work in failed:
        job = next((job for job, kind in _WORK_KIND_BY_JOB.items() if kind == work.kind), None)
        if job is not None and (work.company, job) not in known:
            day = work.first_failed_at.astimezone(UTC).date()
            row = NightlyRow(work.company, job, day, NightlyState.FAILED, None, None)
            yield row._replace(error=work.error, next_try_at=work.next_try_at)


def _with_failures(
    row: NightlyRow, failed: dict[tuple[str, str], PostponedRow], postponed: Sequence[PostponedRow]
) -> NightlyRow:
    """Return the row with the error of its job or, if the job continued, with the number of accounts that failed."""
    if work := failed.get((row.company, _WORK_KIND_BY_JOB[row.job])):
        return row._replace(state=NightlyState.FAILED, error=work.error, next_try_at=work.next_try_at)
    if row.job is NightlyJob.DISTRIBUTION:
        kind = WorkKind.DISTRIBUTE_ACCOUNT
        return row._replace(failed_items=sum(each.kind == kind and each.company == row.company for each in postponed))
    return row
