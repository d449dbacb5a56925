"""Requeue runs: preview all payments that match a filter. After a confirmation, the back office requeues them."""

from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from console import recorded_actions
from console.plurals import plural
from console.reports.claims_feed import ClaimsFeedParameters
from console.reports.parameters import with_period_days
from console.reports.requeue import (
    REQUEUE_OUTCOME,
    REQUEUE_PREVIEW,
    REQUEUE_RUNS,
    criteria,
    outcome_records,
    preview_records,
    run_records,
)
from console.web.auth import Exporter, Requeuer
from console.web.context import RequestContext
from console.web.errors import PageError
from console.web.exporting import FileFormat, send_records
from console.web.filters import PageQuery, ReportQuery, RowId, report_form, report_query
from console.web.rendering import url
from payments.journeys import requeue_runs, requeueing
from payments.journeys.requeue_runs import RUNNING, RequeueRun, StartedRun
from payments.journeys.requeueing import REQUEUEABLE_STATUSES, FeedFilter
from payments.store.db.connection import Transaction
from tasks import enqueue

router = APIRouter(include_in_schema=False)

FeedQuery = ReportQuery[ClaimsFeedParameters]

STALLED_AFTER = timedelta(minutes=1)
"""After this time without progress, the page says that the run waits for the back office."""
PAGE_ROWS = 50


class RunsQuery(PageQuery):
    """The position in the list of runs: the page lists runs with ids below `before`."""

    before: RowId | None = None


@router.get("/requeue-runs")
def list_all(query: Annotated[RunsQuery, Query()], context: Requeuer) -> Response:
    """Show the runs, newest first. A run is listed only if the user may see all payments that it selects."""
    with context.transaction() as tx:
        page = requeue_runs.list_runs(tx, context.user.scope, query.before, PAGE_ROWS)
    next_page = context.link(before=page.next_before) if page.next_before else None
    rows = run_records(page.runs)
    return context.page(
        "requeue_runs.html", report=REQUEUE_RUNS, rows=rows, next_page=next_page, is_first=query.before is None
    )


@router.get("/requeue-runs/new")
def preview(query: Annotated[FeedQuery, Depends(report_query(ClaimsFeedParameters))], context: Requeuer) -> Response:
    """Preview a run: show how many payments match, and their expected results."""
    feed_filter = requeue_filter(query, context)
    with context.transaction() as tx:
        expected = requeueing.preview_requeue(tx, feed_filter, context.now)
    fields = {name: value for name, value in asdict(query.parameters).items() if value is not None and name != "sort"}
    return context.page(
        "requeue_new.html",
        report=REQUEUE_PREVIEW,
        expected=expected,
        rows=preview_records(expected),
        criteria=criteria(feed_filter),
        fields=fields,
    )


@router.get("/requeue-runs/new/export")
def export(
    query: Annotated[FeedQuery, Depends(report_query(ClaimsFeedParameters))],
    context: Exporter,
    form: FileFormat = FileFormat.CSV,
) -> Response:
    """Export the preview of a run as a file."""
    feed_filter = requeue_filter(query, context)
    with context.transaction() as tx:
        expected = requeueing.preview_requeue(tx, feed_filter, context.now)
    return send_records(context, REQUEUE_PREVIEW, form, preview_records(expected))


@router.post("/requeue-runs")
def start(query: Annotated[FeedQuery, Depends(report_form(ClaimsFeedParameters))], context: Requeuer) -> Response:
    """Start a run. The back office continues it."""
    feed_filter = requeue_filter(query, context)
    started = start_run(context, feed_filter, query.confirmed)
    confirmed = query.confirmed or 0
    changed = confirmed > started.matching
    message = (
        f"{started.matching:,} of the {plural(confirmed, 'payment')} that you confirmed still match, and are requeued."
        if changed
        else ""
    )
    return context.redirect(f"/requeue-runs/{started.run_id}", message)


@router.get("/requeue-runs/{run_id}")
def show(run_id: RowId, context: Requeuer) -> Response:
    """Show a run: its progress, and the results of its payments.

    The page refreshes until all payments are evaluated.
    """
    with context.transaction() as tx:
        run = visible_run(tx, context, run_id)
        outcome = outcome_records(requeue_runs.read_outcome(tx, run))
    scope = run.feed_filter.scope
    return context.page(
        "requeue_run.html",
        run=run,
        report=REQUEUE_OUTCOME,
        outcome=outcome,
        is_active=run.state == RUNNING or (run.finished_at is not None and run.outcome is None),
        is_stalled=run.state == RUNNING and context.now - run.updated_at > STALLED_AFTER,
        percent=100 if run.state == "done" or not run.total else min(99, run.done * 100 // run.total),
        feed_url=url("/claims-feed", clinic=scope.only_clinic, company=scope.only_company),
        criteria=criteria(run.feed_filter),
    )


@router.post("/requeue-runs/{run_id}/stop")
def stop(run_id: RowId, context: Requeuer) -> Response:
    """Cancel a run after its current chunk. Payments that it has requeued stay requeued."""
    stop_run(context, run_id)
    return context.redirect(f"/requeue-runs/{run_id}")


@router.post("/requeue-runs/{run_id}/resume")
def resume(run_id: RowId, context: Requeuer) -> Response:
    """Resume a run that was cancelled."""
    with context.transaction() as tx:
        run = visible_run(tx, context, run_id)
        recorded_actions.resume_requeue_run(tx, context.actor, run_id, run.company_id)
    enqueue.enqueue_requeue_runs(context.app.engines)
    return context.redirect(f"/requeue-runs/{run_id}")


def start_run(context: RequestContext, feed_filter: FeedFilter, confirmed: int | None) -> StartedRun:
    """Start a run, and ask the back office to process it.

    Raises MoreThanConfirmedError if more payments match than `confirmed`.
    """
    with context.transaction() as tx:
        started = recorded_actions.start_requeue_run(tx, context.actor, feed_filter, confirmed)
    enqueue.enqueue_requeue_runs(context.app.engines)
    return started


def stop_run(context: RequestContext, run_id: int) -> RequeueRun:
    """Cancel a run, and return it. Raises PageError (404) if the user may not see all payments that it selects."""
    with context.transaction() as tx:
        run = visible_run(tx, context, run_id)
        recorded_actions.stop_requeue_run(tx, context.actor, run_id, run.company_id)
        return visible_run(tx, context, run_id)


def visible_run(tx: Transaction, context: RequestContext, run_id: int) -> RequeueRun:
    """Return a run. Raises PageError (404) if the user may not see all payments that it selects."""
    run = requeue_runs.show_run(tx, run_id, context.user.scope)
    if run is None:
        raise PageError(404, f"There is no requeue run {run_id}.", "Choose a run on the page Requeue runs.")
    return run


def requeue_filter(query: FeedQuery, context: RequestContext) -> FeedFilter:
    """Return the filter of a run. A run always selects from the current Claims Feed.

    - Raises PageError (422) if the filter has an `as_of` time, has neither a status nor a reason, or has a status that
      cannot be requeued.
    - Raises AmbiguousIdError if the filter names a patient whom several companies have.
    """
    chosen = query.parameters
    if chosen.as_of is not None:
        raise PageError(422, "A requeue uses the current data.", "Clear “Report as of”.")
    if chosen.status not in REQUEUEABLE_STATUSES and not (chosen.status is None and chosen.reason):
        raise PageError(
            422,
            "Choose a Transmission status (Not Sent, Transmission Pending or Validation Failed) or a reason.",
            "Set it in the Claims Feed.",
        )
    # The search of the Claims Feed lists payments of every patient with this id. A run is for one of them.
    scope = context.scope_of(query.choice._replace(patient=chosen.find))
    return with_period_days(chosen, lambda: context.today_in(scope)).to_filter(scope)
