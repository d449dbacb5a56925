"""The API that requeues all payments that match a filter: preview, start with a confirmed number, progress, cancel."""

from dataclasses import fields
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse

from console.reports.claims_feed import ClaimsFeedParameters
from console.reports.output import Record, to_json_value
from console.reports.requeue import REQUEUE_RUNS, outcome_records, preview_records, run_records
from console.web.api_rows import rows_response
from console.web.auth import Requeuer
from console.web.filters import ReportQuery, RowId, report_query
from console.web.pages.requeue_runs import (
    PAGE_ROWS,
    FeedQuery,
    RunsQuery,
    requeue_filter,
    start_run,
    stop_run,
    visible_run,
)
from console.web.schemas import (
    PROBLEMS,
    RequeuePreviewResult,
    RequeueRunProgress,
    RequeueRunRequest,
    RequeueRunStarted,
    RequeueRunStopped,
    Rows,
    success_response,
)
from console.web.strictness import StrictBodyRoute
from payments.journeys import requeue_runs, requeueing

router = APIRouter(prefix="/api", responses=PROBLEMS, route_class=StrictBodyRoute)


@router.get("/requeue-preview", responses=success_response(RequeuePreviewResult))
def preview(
    query: Annotated[FeedQuery, Depends(report_query(ClaimsFeedParameters, is_paged=False))], context: Requeuer
) -> Response:
    """Return how many payments match now, their sum, and the expected results with the current settings.

    The filter needs a status or a reason.
    """
    feed_filter = requeue_filter(query, context)
    with context.transaction() as tx:
        expected = requeueing.preview_requeue(tx, feed_filter, context.now)
    return JSONResponse(
        {
            "count": expected.total_count,
            "total": f"{expected.total:.2f}",
            "flowing": expected.imported_count,
            "results": [_result_json(each) for each in preview_records(expected)],
        }
    )


@router.get("/requeue-runs", responses=success_response(Rows))
def list_all(query: Annotated[RunsQuery, Query()], context: Requeuer) -> Response:
    """Return a page of the requeue runs, newest first. To get the next page, pass `next` as `before`."""
    with context.transaction() as tx:
        page = requeue_runs.list_runs(tx, context.user.scope, query.before, PAGE_ROWS)
    beside = {"next": None if page.next_before is None else str(page.next_before), "previous": None}
    return rows_response(run_records(page.runs), REQUEUE_RUNS, beside)


@router.post("/requeue-runs", responses=success_response(RequeueRunStarted))
def start(body: RequeueRunRequest, context: Requeuer) -> Response:
    """Requeue all payments that match a filter, in a run. The back office processes the run.

    `count` is the confirmed number of payments, as the preview returned it. If more payments match now, nothing is
    requeued (409).
    """
    named = {each.name: getattr(body, each.name, None) for each in fields(ClaimsFeedParameters)}
    query = ReportQuery(ClaimsFeedParameters(**named), None, 0)
    started = start_run(context, requeue_filter(query, context), body.count)
    return JSONResponse({"run": started.run_id, "count": started.matching})


@router.get("/requeue-runs/{run_id}", responses=success_response(RequeueRunProgress))
def show(run_id: RowId, context: Requeuer) -> Response:
    """Return the progress of a run, and the results of the payments that it has requeued so far."""
    with context.transaction() as tx:
        run = visible_run(tx, context, run_id)
        outcome = outcome_records(requeue_runs.read_outcome(tx, run))
    progress = {"run": run.id, "state": run.state, "total": run.total, "done": run.done}
    return JSONResponse(progress | {"outcome": [_result_json(each) for each in outcome]})


@router.post("/requeue-runs/{run_id}/stop", responses=success_response(RequeueRunStopped))
def stop(run_id: RowId, context: Requeuer) -> Response:
    """Cancel a run after its current chunk. Payments that it has requeued stay requeued."""
    run = stop_run(context, run_id)
    return JSONResponse({"run": run.id, "state": run.state, "done": run.done})


def _result_json(record: Record) -> dict[str, Any]:
    return {key: to_json_value(record[key]) for key in ("code", "reason", "count", "total", "result")}
