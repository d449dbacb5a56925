"""The API's requeue of all payments that match a filter: preview, start with the confirmed number, progress."""

from dataclasses import fields
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, Response
from fastapi.responses import JSONResponse

from console.reports.claims_feed import ClaimsFeedParameters
from console.web.auth import Requeuer
from console.web.filters import ReportQuery, RowId, report_query
from console.web.pages.requeue_runs import FeedQuery, requeue_filter, run_until_done, start_run, visible_run
from console.web.schemas import (
    PROBLEMS,
    RequeuePreviewResult,
    RequeueRunProgress,
    RequeueRunRequest,
    RequeueRunStarted,
    success_response,
)
from console.web.strictness import StrictBodyRoute
from payments.journeys import requeueing

router = APIRouter(prefix="/api", responses=PROBLEMS, route_class=StrictBodyRoute)


@router.get("/requeue-preview", responses=success_response(RequeuePreviewResult))
def preview(
    query: Annotated[FeedQuery, Depends(report_query(ClaimsFeedParameters, is_paged=False))], context: Requeuer
) -> Response:
    """Return how many payments match now, their sum, and how many would be imported with the current settings.

    The filter needs a status or a reason.
    """
    feed_filter = requeue_filter(query, context)
    with context.transaction() as tx:
        expected = requeueing.preview_requeue(tx, feed_filter, context.now)
    flowing = sum(each.count for each in expected.lines if each.would_be_imported)
    return JSONResponse({"count": expected.total_count, "total": f"{expected.total:.2f}", "flowing": flowing})


@router.post("/requeue-runs", responses=success_response(RequeueRunStarted))
def start(body: RequeueRunRequest, tasks: BackgroundTasks, context: Requeuer) -> Response:
    """Requeue all payments that match a filter, in the background.

    `count` is the confirmed number of payments, as the preview returned it. If more payments match now, nothing is
    requeued (409).
    """
    named = {each.name: getattr(body, each.name, None) for each in fields(ClaimsFeedParameters)}
    query = ReportQuery(ClaimsFeedParameters(**named), None, 0)
    started = start_run(context, requeue_filter(query, context), body.count)
    tasks.add_task(run_until_done, context, started.run_id)
    return JSONResponse({"run": started.run_id, "count": started.matching}, background=tasks)


@router.get("/requeue-runs/{run_id}", responses=success_response(RequeueRunProgress))
def show(run_id: RowId, context: Requeuer) -> Response:
    """Return the progress of a run: how many payments matched at its start, and how many it has requeued."""
    run = visible_run(context, run_id)
    return JSONResponse({"run": run.id, "state": run.state, "total": run.total, "done": run.done})
