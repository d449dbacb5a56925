"""Take the daily snapshot of the work queues, company by company, and read the snapshots."""

from datetime import date, datetime

from payments.core.postponed_work import Selection, WorkItem
from payments.core.scope import Scope
from payments.store.db.connection import Transaction
from payments.store.ledger import job_runs
from payments.store.ledger.job_runs import InstallationJob
from payments.store.reports import daily_queues
from payments.store.reports.daily_queues import Queue, QueueSize

__all__ = ["Queue", "QueueSize"]


def snapshot_next_due(tx: Transaction, now: datetime, selection: Selection) -> bool | None:
    """Take the snapshot of the next company in tonight's run. Return True, or None if no run is due.

    Postponed companies are omitted. Sets `selection.selected` to the company, and stores the progress of the run. A
    repeated snapshot of a day replaces the earlier one. Locks: tries the advisory lock of the job, and returns None if
    another transaction holds it.
    """
    run = job_runs.lock_due(tx, InstallationJob.SNAPSHOT, now)
    if run is None:
        return None
    company = daily_queues.next_company(tx, run.last_company)
    if company is None:
        job_runs.record_complete(tx, run, now)
        return None
    selection.selected = [company]
    daily_queues.write(tx, company.company_id, run.day)
    job_runs.record_progress(tx, run, company.company_id)
    return True


def snapshot_company(tx: Transaction, now: datetime, selection: Selection) -> bool:
    """Take tonight's snapshot of the company in `selection.only`."""
    selection.selected = selection.only or ()
    for company in selection.selected:
        daily_queues.write(tx, company.company_id, job_runs.current_day(now))
    return True


def skip_company(tx: Transaction, now: datetime, company: WorkItem) -> None:
    """Let tonight's run continue after a company that failed. Locks the job as `snapshot_next_due` does."""
    if run := job_runs.lock_due(tx, InstallationJob.SNAPSHOT, now):
        job_runs.record_progress(tx, run, company.company_id)


def queue_sizes(tx: Transaction, since: date, until: date, scope: Scope) -> list[QueueSize]:
    """Return the sizes of the work queues on each day from `since` to `until`."""
    return daily_queues.read(tx, since, until, scope)
