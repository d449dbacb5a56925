"""The results of nightly jobs, by company and night."""

from datetime import date, datetime
from typing import NamedTuple

from payments.core.nightly_job import NightlyJob, NightlyResult, Progress
from payments.core.scope import Scope
from payments.store.db.conditions import company_in_scope, has_not_moved, scope_parameters
from payments.store.db.connection import Transaction
from payments.store.db.statement import text


class JobNight(NamedTuple):
    """A job of a company in one night. `day` is the date of the night."""

    company_id: str
    job: NightlyJob
    day: date


def add(tx: Transaction, night: JobNight, now: datetime, progress: Progress) -> None:
    """Add the progress of one transaction to the result of a job in a night."""
    tx.execute(
        text(
            "INSERT INTO nightly_results AS stored (company_id, job, day, started_at, examined, found, amount) "
            "VALUES (:company_id, :job, :day, :now, :examined, :found, :amount) "
            "ON CONFLICT (company_id, job, day) DO UPDATE SET examined = stored.examined + excluded.examined, "
            "found = stored.found + excluded.found, amount = stored.amount + excluded.amount"
        ),
        night._asdict() | {"now": now} | progress._asdict(),
    )


def store(tx: Transaction, night: JobNight, now: datetime, progress: Progress) -> None:
    """Store the result of a job that processes a company in one transaction.

    It replaces an earlier result of the same night.
    """
    tx.execute(
        text(
            "INSERT INTO nightly_results (company_id, job, day, started_at, finished_at, examined, found, amount) "
            "VALUES (:company_id, :job, :day, :now, :now, :examined, :found, :amount) "
            "ON CONFLICT (company_id, job, day) DO UPDATE SET finished_at = excluded.finished_at, "
            "examined = excluded.examined, found = excluded.found, amount = excluded.amount"
        ),
        night._asdict() | {"now": now} | progress._asdict(),
    )


def finish(tx: Transaction, night: JobNight, now: datetime) -> None:
    """Store that a job has finished for a company and a night. Call it after `add`."""
    tx.execute(
        text(
            "UPDATE nightly_results SET finished_at = :now WHERE company_id = :company_id AND job = :job AND day = :day"
        ),
        night._asdict() | {"now": now},
    )


def newest(tx: Transaction, scope: Scope) -> list[NightlyResult]:
    """Return the newest result of each job of each company in a scope. Companies that have moved are omitted."""
    found = tx.execute(
        text(
            "SELECT DISTINCT ON (company_id, job) company_id, job, day, started_at, finished_at, examined, found, "
            f"amount FROM nightly_results WHERE {has_not_moved('nightly_results')} "
            f"{company_in_scope(scope, 'nightly_results')} ORDER BY company_id, job, day DESC"
        ),
        scope_parameters(scope),
    )
    return [
        NightlyResult(company, NightlyJob(job), day, started_at, finished_at, Progress(examined, found_count, amount))
        for company, job, day, started_at, finished_at, examined, found_count, amount in found
    ]


def drop_before(tx: Transaction, day: date) -> int:
    """Delete the results of nights before `day`, and return the number deleted."""
    return tx.execute(text("DELETE FROM nightly_results WHERE day < :day"), {"day": day}).rowcount
