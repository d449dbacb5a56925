"""Requeue runs: preview all payments that match a filter, and after confirmation requeue them in chunks."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, Response

from console.plurals import plural
from console.reports.claims_feed import ClaimsFeedParameters
from console.web.auth import Requeuer
from console.web.context import RequestContext
from console.web.errors import PageError
from console.web.filters import ReportQuery, RowId, report_form, report_query
from console.web.rendering import humanize, url
from payments.journeys import requeueing
from payments.journeys.requeueing import REQUEUEABLE, FeedFilter, RequeueRun, StartedRun
from tasks import enqueue

router = APIRouter(include_in_schema=False)

FeedQuery = ReportQuery[ClaimsFeedParameters]

CHUNK_ROWS = 500
STALLED_AFTER = timedelta(seconds=30)
_CLINICS_NAMED = 3


@router.get("/requeue-runs/new")
def preview(query: Annotated[FeedQuery, Depends(report_query(ClaimsFeedParameters))], context: Requeuer) -> Response:
    """Preview a run: how many payments match and their expected outcome."""
    feed_filter = requeue_filter(query, context)
    with context.transaction() as tx:
        expected = requeueing.preview_requeue(tx, feed_filter, context.now)
    fields = {name: value for name, value in asdict(query.parameters).items() if value is not None}
    return context.page("requeue_new.html", expected=expected, criteria=_criteria(feed_filter), fields=fields)


@router.post("/requeue-runs")
def start(
    query: Annotated[FeedQuery, Depends(report_form(ClaimsFeedParameters))], tasks: BackgroundTasks, context: Requeuer
) -> Response:
    """Start a run in the background."""
    feed_filter = requeue_filter(query, context)
    started = start_run(context, feed_filter, query.confirmed)
    confirmed = query.confirmed or 0
    changed = confirmed > started.matching
    message = f"You confirmed {plural(confirmed, 'payment')}. Still matching: {started.matching:,}." if changed else ""
    return _run_in_background(context, started.run_id, tasks, message)


@router.get("/requeue-runs/{run_id}")
def show(run_id: RowId, context: Requeuer) -> Response:
    """Show the progress of a run; the page refreshes until the run ends."""
    run = visible_run(context, run_id)
    is_stalled = run.state == "running" and context.now - run.updated_at > STALLED_AFTER
    percent = 100 if run.state == "done" or not run.total else min(99, run.done * 100 // run.total)
    scope = run.feed_filter.scope
    feed_url = url("/claims-feed", clinic=scope.only_clinic, company=scope.only_company)
    criteria = _criteria(run.feed_filter)
    return context.page(
        "requeue_run.html", run=run, is_stalled=is_stalled, percent=percent, feed_url=feed_url, criteria=criteria
    )


@router.post("/requeue-runs/{run_id}/stop")
def stop(run_id: RowId, context: Requeuer) -> Response:
    """Stop a run after its current chunk."""
    visible_run(context, run_id)
    with context.transaction() as tx:
        requeueing.stop_run(tx, run_id, context.now)
        context.audit(tx, "requeue stopped", f"run {run_id}")
    return context.redirect(f"/requeue-runs/{run_id}")


@router.post("/requeue-runs/{run_id}/resume")
def resume(run_id: RowId, tasks: BackgroundTasks, context: Requeuer) -> Response:
    """Resume a run that was stopped, or that was interrupted because the console ended."""
    visible_run(context, run_id)
    with context.transaction() as tx:
        requeueing.resume_run(tx, run_id, context.now)
        context.audit(tx, "requeue resumed", f"run {run_id}")
    return _run_in_background(context, run_id, tasks)


def start_run(context: RequestContext, feed_filter: FeedFilter, confirmed: int | None) -> StartedRun:
    """Start a run in a separate transaction. Raises MoreThanConfirmedError if more payments match than `confirmed`."""
    with context.transaction() as tx:
        started = requeueing.start_run(tx, feed_filter, context.now, context.user.signature, confirmed)
        context.audit(tx, "requeued by filter", f"run {started.run_id}", ", ".join(_criteria(feed_filter)))
    return started


def visible_run(context: RequestContext, run_id: int) -> RequeueRun:
    """Return a run. Raises PageError (404) unless the user may see all that it selects."""
    with context.transaction() as tx:
        run = requeueing.show_run(tx, run_id)
    if run is None or not context.user.scope.includes(run.feed_filter.scope):
        raise PageError(
            404, f"There is no requeue run {run_id}.", "Choose payments in the Claims Feed and requeue them."
        )
    return run


def run_until_done(context: RequestContext, run_id: int) -> None:
    """Requeue chunk by chunk until the run is done or stopped, and enqueue an import after each chunk."""
    has_more = True
    while has_more:
        with context.transaction() as tx:
            has_more = requeueing.requeue_next_chunk(tx, run_id, datetime.now(UTC), CHUNK_ROWS)
        enqueue.enqueue_retry_due(context.app.engines)


def _run_in_background(context: RequestContext, run_id: int, tasks: BackgroundTasks, message: str = "") -> Response:
    # FastAPI ignores injected background tasks when a handler returns a Response, so attach them to it.
    tasks.add_task(run_until_done, context, run_id)
    response = context.redirect(f"/requeue-runs/{run_id}", message)
    response.background = tasks
    return response


def requeue_filter(query: FeedQuery, context: RequestContext) -> FeedFilter:
    """Return the filter of a run. A run always selects from the current Claims Feed.

    Raises PageError (422) if the filter has an `as_of` time, or if its status cannot be requeued. Without a status, a
    reason is required. Raises AmbiguousIdError if it searches for a patient whom several companies have.
    """
    chosen = query.parameters
    if chosen.as_of is not None:
        raise PageError(422, "A requeue selects payments as they are now.", "Leave the time of the report out.")
    if chosen.status not in REQUEUEABLE and not (chosen.status is None and chosen.reason):
        raise PageError(
            422,
            "Choose a status (Not Sent, Transmission Pending or Validation Failed) or a reason.",
            "Set it in the Claims Feed.",
        )
    # The search of the Claims Feed lists payments of every patient with this id. A run is for one of them.
    return chosen.query(context.scope_of(query.choice._replace(patient=chosen.find)))


def _criteria(feed_filter: FeedFilter) -> list[str]:
    """Return the filter as a list of texts, one per criterion."""
    companies, clinics = (sorted(ids or ()) for ids in (feed_filter.scope.companies, feed_filter.scope.clinics))
    values = {
        "": feed_filter.status,
        "reason:": humanize(feed_filter.reason),
        "saved from": feed_filter.since,
        "saved until": feed_filter.until,
        "company": ", ".join(companies),
        "clinic": ", ".join(clinics) if len(clinics) <= _CLINICS_NAMED else f"one of {len(clinics)}",
        "patient or payment": feed_filter.find,
        "patient": feed_filter.patient,
        "payment": feed_filter.payment,
        "amount": feed_filter.amount,
    }
    return [f"{name} {value}".strip() for name, value in values.items() if value not in (None, "")]
