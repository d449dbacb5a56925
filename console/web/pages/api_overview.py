"""The API's figures of the overview: the payments that are not in Billing, by cause."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from console.reports.not_in_billing import NOT_IN_BILLING_REPORT, NotInBillingParameters, unposted_records
from console.reports.trends import TRENDS, TrendsParameters, trend_records, with_period
from console.web.api_rows import rows_response
from console.web.auth import Viewer
from console.web.filters import ReportQuery, report_query
from console.web.schemas import PROBLEMS, Rows, success_response
from console.web.strictness import StrictBodyRoute
from payments.journeys import dashboard, reporting

router = APIRouter(prefix="/api", responses=PROBLEMS, route_class=StrictBodyRoute)


@router.get("/not-in-billing", responses=success_response(Rows))
def not_in_billing(
    query: Annotated[
        ReportQuery[NotInBillingParameters], Depends(report_query(NotInBillingParameters, is_paged=False))
    ],
    context: Viewer,
) -> Response:
    """Return the payments that Billing does not hold in full, by cause, that with the oldest payment first."""
    feed_filter = query.parameters.query(context.scope_of(query.choice))
    with context.transaction() as tx:
        records = unposted_records(reporting.not_in_billing(tx, feed_filter), context.now)
    return rows_response(records, NOT_IN_BILLING_REPORT)


@router.get("/trends", responses=success_response(Rows))
def trends(
    query: Annotated[ReportQuery[TrendsParameters], Depends(report_query(TrendsParameters, is_paged=False))],
    context: Viewer,
) -> Response:
    """Return how much was paid in the EMR and how much of it Billing holds, by week or clinic."""
    chosen = query.parameters.query(context.scope_of(query.choice))
    feed_filter = with_period(chosen, context.today_in(chosen.scope))
    with context.transaction() as tx:
        records = trend_records(dashboard.trends(tx, feed_filter, query.parameters.group))
    return rows_response(records, TRENDS)
