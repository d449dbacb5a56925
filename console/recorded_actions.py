"""Actions of users on clinics, months and requeued payments. Each action includes its audit entry.

Pages, the API and commands make these changes only through this module, so no change is missing in the audit history.
`console.exception_actions` does the same for Billing Exceptions.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from console.actor import Actor
from console.reports.requeue import criteria
from payments.core.month import Month
from payments.core.scope import Scope
from payments.exception_wording import format_dollars
from payments.journeys import closing, configuring, requeue_runs, requeueing
from payments.journeys.closing import CloseWarning, Snapshot
from payments.journeys.configuring import ClinicRow, SettingsUpdate
from payments.journeys.requeue_runs import StartedRun
from payments.journeys.requeueing import FeedFilter, RequeueSummary
from payments.store.db.connection import Transaction


class CompanyMonth(NamedTuple):
    """A month of a company. Its text is the name of the month in the audit history."""

    company_id: str
    month: Month

    def __str__(self) -> str:
        return f"{self.company_id} {self.month}"


def set_clinic(tx: Transaction, actor: Actor, update: SettingsUpdate, default_timezone: str) -> ClinicRow:
    """Change a clinic's settings from now on, and return them. Raises the errors of `configuring.set_clinic`."""
    row = configuring.set_clinic(tx, update, now=actor.now, who=actor.name, default_timezone=default_timezone)
    detail = f"{'on' if row.integration else 'off'}; {', '.join(row.types) or 'no types'}"
    actor.record(tx, "changed clinic settings", row.clinic, detail, row.company)
    return row


def schedule_close(tx: Transaction, actor: Actor, month: CompanyMonth) -> list[CloseWarning]:
    """Schedule a month to be closed in the coming night. Return the warnings about payments to resolve before then.

    Raises the ClosingError of `closing.schedule`.
    """
    warnings = closing.schedule(tx, *month, actor.now, actor.name)
    actor.record(tx, "scheduled month", str(month), f"{len(warnings)} payments to resolve", month.company_id)
    return warnings


def cancel_close(tx: Transaction, actor: Actor, month: CompanyMonth) -> None:
    """Cancel a scheduled close. Raises ClosingError if the month is not scheduled."""
    closing.cancel(tx, *month, actor.now, actor.name)
    actor.record(tx, "cancelled month closing", str(month), company_id=month.company_id)


def finish_close(tx: Transaction, actor: Actor, month: CompanyMonth, now: datetime) -> Snapshot:
    """Close a month for which `closing.begin_close` was called. Return its totals. `now` is the time of the close.

    Raises ClosingError if the month is not CLOSING.
    """
    snapshot = closing.finish_close(tx, *month, now)
    actor.record(
        tx, "closed month", str(month), f"payments of {format_dollars(snapshot.payments_total)}", month.company_id
    )
    return snapshot


def requeue(tx: Transaction, actor: Actor, keys: Sequence[str], scope: Scope) -> RequeueSummary:
    """Requeue payments by their printed keys. Raises the AmbiguousIdError of `requeueing.requeue`."""
    requeued = requeueing.requeue(tx, keys, actor.now, actor.name, scope)
    skipped = set(requeued.skipped)
    for key in dict.fromkeys(keys):
        if key not in skipped:
            actor.record(tx, "requeued", key)
    return requeued


def start_requeue_run(tx: Transaction, actor: Actor, feed_filter: FeedFilter, confirmed: int | None) -> StartedRun:
    """Start a run that requeues all payments that match the filter. Return the started run.

    Raises MoreThanConfirmedError if more than `confirmed` payments match.
    """
    started = requeue_runs.start_run(tx, feed_filter, actor.now, actor.name, confirmed)
    detail, company_id = ", ".join(criteria(feed_filter)), feed_filter.scope.only_company
    actor.record(tx, "requeued by filter", f"run {started.run_id}", detail, company_id)
    return started


def stop_requeue_run(tx: Transaction, actor: Actor, run_id: int, company_id: str | None) -> None:
    """Cancel a run after its current chunk. `company_id` is the run's company, or None for several companies."""
    requeue_runs.stop_run(tx, run_id, actor.now)
    actor.record(tx, "requeue stopped", f"run {run_id}", company_id=company_id)


def resume_requeue_run(tx: Transaction, actor: Actor, run_id: int, company_id: str | None) -> None:
    """Resume a run that was cancelled. `company_id` is the run's company, or None for several companies."""
    requeue_runs.resume_run(tx, run_id, actor.now)
    actor.record(tx, "requeue resumed", f"run {run_id}", company_id=company_id)
