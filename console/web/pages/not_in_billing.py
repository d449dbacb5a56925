"""Export the payments that are not in Billing, by cause. The start page lists them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from console.reports.not_in_billing import NOT_IN_BILLING_REPORT, NotInBillingParameters, unposted_records
from console.web.auth import Exporter
from console.web.exporting import FileFormat, send_records
from console.web.filters import ReportQuery, report_query
from payments.journeys import reporting

router = APIRouter(include_in_schema=False)

NotInBillingQuery = Annotated[
    ReportQuery[NotInBillingParameters], Depends(report_query(NotInBillingParameters, is_paged=False))
]


@router.get("/not-in-billing/export")
def export(query: NotInBillingQuery, context: Exporter, form: FileFormat = FileFormat.CSV) -> Response:
    """Export the payments that are not fully in Billing, by cause.

    The cause with the oldest payment comes first.
    """
    feed_filter = query.parameters.to_filter(context.scope_of(query.choice))
    with context.transaction() as tx:
        records = unposted_records(reporting.not_in_billing(tx, feed_filter), context.now)
    return send_records(context, NOT_IN_BILLING_REPORT, form, records, query.parameters.clinic or "")
