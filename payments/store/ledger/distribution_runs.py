"""The progress of each company's nightly distribution. It is stored, so a lost message does not skip a run."""

from datetime import date, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from payments.core.distribution import nightly_run_date
from payments.core.postponed_work import Selection, WorkItem, WorkKind
from payments.store.db.advisory_locks import AdvisoryLock, try_acquire
from payments.store.db.conditions import has_not_moved
from payments.store.db.connection import Transaction
from payments.store.db.statement import text
from payments.store.ledger.postponed_work import is_postponed

_AHEAD_OF_UTC_MAX = timedelta(hours=14)
_IS_POSTPONED = is_postponed(WorkKind.DISTRIBUTE_COMPANY, "companies.company_id", "''", at=":now")


class DistributionRun(NamedTuple):
    """The nightly run of a company. `day` is its date.

    `last_patient` is the last patient that was distributed, empty if the run has not started.
    """

    company_id: str
    day: date
    last_patient: str


def lock_due(tx: Transaction, now: datetime, selection: Selection | None = None) -> DistributionRun | None:
    """Return the first nightly distribution that is due and not complete, or None if none is due.

    A new company is recorded as complete for the current night, so its first run is in the next night. A company whose
    run has failed is omitted until its next attempt is due. `selection.selected` is set to the company that is being
    examined, so that the caller knows which company caused an error, such as an unknown time zone.

    Locks: tries the advisory lock NIGHTLY_DISTRIBUTION. Returns None if another transaction holds it.
    """
    if not try_acquire(tx, AdvisoryLock.NIGHTLY_DISTRIBUTION):
        return None
    found = tx.execute(
        text(
            "SELECT company_id, timezone, distributed_on, coalesce(distributed_to, '') AS last_patient FROM companies "
            f"WHERE (distributed_on IS NULL OR distributed_on < :latest) AND {has_not_moved('companies')} "
            f"AND NOT {_IS_POSTPONED} ORDER BY company_id"
        ),
        {"latest": nightly_run_date(now + _AHEAD_OF_UTC_MAX), "now": now},
    )
    selection = selection or Selection()
    for row in found.all():
        selection.selected = [WorkItem(row.company_id)]
        day = nightly_run_date(now.astimezone(ZoneInfo(row.timezone)))
        run = DistributionRun(row.company_id, day, row.last_patient)
        if row.distributed_on is None:
            record_progress(tx, run, None)
        elif row.distributed_on < run.day:
            return run
    return None


def record_progress(tx: Transaction, run: DistributionRun, last_patient: str | None) -> None:
    """Store the last patient that a run has distributed. None marks the run as complete."""
    tx.execute(
        text(
            "UPDATE companies SET distributed_to = :last_patient, "
            "distributed_on = CASE WHEN CAST(:last_patient AS text) IS NULL THEN :day ELSE distributed_on END "
            "WHERE company_id = :company_id"
        ),
        {"last_patient": last_patient, "day": run.day, "company_id": run.company_id},
    )
