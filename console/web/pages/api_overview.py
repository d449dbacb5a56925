"""The numbers of the overview in the API: the payments that are not in Billing, by cause, and the trends."""

from fastapi import APIRouter, Response

from console.reports.not_in_billing import NOT_IN_BILLING_REPORT, unposted_records
from console.reports.trends import TRENDS, trend_records, with_period
from console.web.api_rows import rows_response
from console.web.auth import Viewer
from console.web.pages.not_in_billing import NotInBillingQuery
from console.web.pages.trends import TrendsQuery
from console.web.schemas import PROBLEMS, Rows, success_response
from console.web.strictness import StrictBodyRoute
from payments.journeys import dashboard, reporting

router = APIRouter(prefix="/api", responses=PROBLEMS, route_class=StrictBodyRoute)


@router.get("/not-in-billing", responses=success_response(Rows))
def not_in_billing(query: NotInBillingQuery, context: Viewer) -> Response:
    """Return the payments that are not fully in Billing, by cause.

    The cause with the oldest payment comes first.
    """
    feed_filter = query.parameters.to_filter(context.scope_of(query.choice))
    with context.transaction() as tx:
        records = unposted_records(reporting.not_in_billing(tx, feed_filter), context.now)
    return rows_response(records, NOT_IN_BILLING_REPORT)


@router.get("/trends", responses=success_response(Rows))
def trends(query: TrendsQuery, context: Viewer) -> Response:
    """Return how much was paid in the EMR and how much of it is in Billing, by week or clinic."""
    chosen = query.parameters.to_filter(context.scope_of(query.choice))
    feed_filter = with_period(chosen, context.today_in(chosen.scope))
    with context.transaction() as tx:
        records = trend_records(dashboard.trends(tx, feed_filter, query.parameters.group))
    return rows_response(records, TRENDS)
