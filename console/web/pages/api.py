"""The API for programs: reports, requeues and decisions on exceptions as JSON. Calls need the same rights as pages."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import JSONResponse

from console.reports.account import ACCOUNT, AccountParameters, account_records
from console.reports.balancing import BalancingParameters, balance_record
from console.reports.claims_feed import CLAIMS_FEED, ClaimsFeedParameters, feed_records
from console.reports.definition import Report
from console.reports.exceptions import EXCEPTIONS, ExceptionsParameters, exception_records
from console.reports.months import MONTHS, MonthsParameters, month_records
from console.reports.output import to_json_value
from console.reports.payment_log import (
    PAYMENT_LOG,
    PaymentLogParameters,
    log_records,
    log_sum_records,
    payment_log_sums,
)
from console.reports.timeline import TIMELINE, TimelineParameters, timeline_records
from console.web.api_rows import page_response, rows_response
from console.web.auth import Editor, Requeuer, Viewer
from console.web.context import RequestContext
from console.web.errors import PageError
from console.web.exception_actions import accept_if_unchanged, acknowledge_if_unchanged
from console.web.filters import (
    ReportQuery,
    RowId,
    report_query,
)
from console.web.lists import read_rows, select
from console.web.pages.balancing import balanced_scope
from console.web.pages.claims_feed import requeue_keys
from console.web.pages.months import check_sees_company
from console.web.pages.timeline import timeline_rows
from console.web.schemas import (
    PROBLEMS,
    ROWS_MAX,
    AcceptRequest,
    AcceptResult,
    AcknowledgeRequest,
    AcknowledgeResult,
    RequeueRequest,
    RequeueResult,
    Rows,
    success_response,
)
from console.web.strictness import StrictBodyRoute
from payments.access.rights import Right
from payments.journeys import balancing, closing, distributing, reporting
from payments.journeys.adjusting import SeenException
from payments.journeys.reporting import EXCEPTION_SORTS, FEED_SORTS, LOG_SORTS
from payments.store.db.connection import Transaction

router = APIRouter(prefix="/api", responses=PROBLEMS, route_class=StrictBodyRoute)

VIEW_ROWS_MAX = 100
"""The largest number of rows of a view. A request for more rows is an export and requires the right to export."""
_LIMITS = (VIEW_ROWS_MAX, ROWS_MAX)
FeedQuery = Annotated[ReportQuery[ClaimsFeedParameters], Depends(report_query(ClaimsFeedParameters, _LIMITS))]
ExceptionsQuery = Annotated[ReportQuery[ExceptionsParameters], Depends(report_query(ExceptionsParameters, _LIMITS))]
LogQuery = Annotated[ReportQuery[PaymentLogParameters], Depends(report_query(PaymentLogParameters, _LIMITS))]


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request, _: Viewer) -> dict[str, Any]:
    """Return the OpenAPI description of this API."""
    described: dict[str, Any] = request.app.openapi()
    described["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    described["security"] = [{"token": []}]
    return described


@router.get("/claims-feed", responses=success_response(Rows))
def claims_feed(query: FeedQuery, context: Viewer) -> Response:
    """Return a page of the Claims Feed, newest save first. To get the next page, pass `next` as `after`."""
    chosen, scope = select(context, query)
    with context.transaction() as tx:
        _audit(tx, context, CLAIMS_FEED, chosen.find, query.limit)
        feed_filter = chosen.to_filter(scope)
        page = read_rows(
            query, CLAIMS_FEED, FEED_SORTS, lambda *part: reporting.claims_feed_page(tx, feed_filter, *part)
        )
    return page_response(page, feed_records, CLAIMS_FEED)


@router.get("/exceptions", responses=success_response(Rows))
def exceptions(query: ExceptionsQuery, context: Viewer) -> Response:
    """Return a page of Billing Exceptions, oldest first."""
    chosen, scope = select(context, query)
    with context.transaction() as tx:
        _audit(tx, context, EXCEPTIONS, chosen.patient, query.limit)
        exception_filter = chosen.to_filter(scope)
        page = read_rows(
            query, EXCEPTIONS, EXCEPTION_SORTS, lambda *part: reporting.exceptions_page(tx, exception_filter, *part)
        )
    return page_response(page, exception_records, EXCEPTIONS)


@router.post("/exceptions/{exception_id}/accept", responses=success_response(AcceptResult))
def accept(exception_id: RowId, body: AcceptRequest, context: Editor) -> Response:
    """Accept an exception: post its proposed entries. The payment must still have the version in the body."""
    accepted = accept_if_unchanged(context, SeenException(exception_id, body.version), body.deposit_date)
    posted = [
        {"amount": f"{each.amount:.2f}", "method": each.dimensions.method, "charge_type": each.dimensions.charge_type}
        | {"deposit_date": each.dimensions.deposit_date.isoformat()}
        for each in accepted.postings
    ]
    return JSONResponse({"payment": accepted.payment, "posted": posted, "before": accepted.was_accepted_before})


@router.post("/exceptions/{exception_id}/acknowledge", responses=success_response(AcknowledgeResult))
def acknowledge(exception_id: RowId, body: AcknowledgeRequest, context: Editor) -> Response:
    """Acknowledge an exception: close it without posting. The payment must still have the version in the body."""
    payment = acknowledge_if_unchanged(context, SeenException(exception_id, body.version), body.reason)
    return JSONResponse({"payment": payment})


@router.post("/requeue", responses=success_response(RequeueResult))
def requeue(body: RequeueRequest, context: Requeuer) -> Response:
    """Requeue payments: Billing evaluates them again with the current settings. Payments in Billing are skipped."""
    requeued = requeue_keys(context, list(body.payments), body.company)
    return JSONResponse({"count": requeued.count, "passed_over": list(requeued.skipped)})


@router.get("/payment-log", responses=success_response(Rows))
def payment_log(query: LogQuery, context: Viewer) -> Response:
    """Return a page of the Patient Payment Log, newest deposit first. With `group_by`, return the sums by group."""
    chosen, scope = select(context, query)
    log_filter, group = chosen.to_filter(scope), chosen.group_by
    with context.transaction() as tx:
        _audit(tx, context, PAYMENT_LOG, chosen.patient, query.limit)
        if group:
            sums = reporting.payment_log_sums(tx, log_filter, group)
            return rows_response(log_sum_records(sums, group), payment_log_sums(group))
        page = read_rows(query, PAYMENT_LOG, LOG_SORTS, lambda *part: reporting.payment_log_page(tx, log_filter, *part))
    return page_response(page, log_records, PAYMENT_LOG)


@router.get("/account", responses=success_response(Rows))
def account(
    query: Annotated[ReportQuery[AccountParameters], Depends(report_query(AccountParameters, is_paged=False))],
    context: Viewer,
) -> Response:
    """Return a patient's account: total payments, unassigned amount and balance."""
    patient, scope = query.parameters.patient, context.user.scope.narrowed_to_company(query.parameters.company)
    with context.transaction() as tx:
        rows = distributing.show_account(tx, patient, scope, query.parameters.as_of)
        context.audit(tx, "viewed account", patient, "API")
    if not rows:
        raise PageError(404, f"There is no patient {patient}.")
    return rows_response(account_records(rows), ACCOUNT)


@router.get("/balancing")
def balance(
    query: Annotated[ReportQuery[BalancingParameters], Depends(report_query(BalancingParameters, is_paged=False))],
    context: Viewer,
) -> Response:
    """Balance the EMR against Billing.

    Return both totals, each reconciling item between them and the unexplained amount.
    """
    balance_filter = query.parameters.to_filter(balanced_scope(query, context))
    with context.transaction() as tx:
        found = balancing.balance(tx, balance_filter)
        context.audit(tx, "viewed Payment Balancing", balance_filter.scope.only_clinic or "", "API")
    record = balance_record(found, balance_filter)
    unexplained = [line.payment for line in found.unbalanced_lines]
    return JSONResponse(
        {key: to_json_value(value) for key, value in record.items()} | {"unexplained_payments": unexplained}
    )


@router.get("/months", responses=success_response(Rows))
def months(
    query: Annotated[ReportQuery[MonthsParameters], Depends(report_query(MonthsParameters, is_paged=False))],
    context: Viewer,
) -> Response:
    """Return a company's months and their states."""
    company = query.parameters.company
    check_sees_company(context, company)
    with context.transaction() as tx:
        return rows_response(month_records(closing.list_months(tx, company)), MONTHS)


@router.get("/timeline", responses=success_response(Rows))
def timeline(
    query: Annotated[ReportQuery[TimelineParameters], Depends(report_query(TimelineParameters, is_paged=False))],
    context: Viewer,
) -> Response:
    """Return the history of one payment."""
    payment = query.parameters.payment
    scope = context.user.scope.narrowed_to_company(query.parameters.company)
    with context.transaction() as tx:
        events = timeline_rows(tx, scope, payment)
        context.audit(tx, "viewed timeline", payment, "API")
    return rows_response(timeline_records(events), TIMELINE)


def _audit(tx: Transaction, context: RequestContext, report: Report, subject: str | None, limit: int) -> None:
    """Record in the audit history that the user viewed or exported rows.

    Raises PageError (403) if the request is an export and the user has no right to export.
    """
    if limit <= VIEW_ROWS_MAX:
        context.audit(tx, f"viewed {report.title}", subject or "", f"API {context.request.url.query}")
        return
    if not context.may(Right.EXPORT):
        raise PageError(
            403,
            f"More than {VIEW_ROWS_MAX} rows in one answer are an export; your role, {context.user.role}, does not "
            f"include the right to {Right.EXPORT.phrase}.",
            f"Ask for at most {VIEW_ROWS_MAX} rows at a time.",
        )
    context.audit(
        tx, f"exported {report.title}", subject or "", f"up to {limit:,} rows as JSON; {context.request.url.query}"
    )
