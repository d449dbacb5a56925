"""The API for refunds and returned payments."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse

from console.reports.output import to_json_value
from console.reports.repayments import REPAYMENTS, RepaymentParameters, repayment_records
from console.web import refund_actions
from console.web.api_rows import page_response
from console.web.auth import EntryPoster, RefundApprover, Viewer
from console.web.filters import ReportQuery, RowId, report_query
from console.web.lists import read_rows
from console.web.refund_schemas import IssueBody, RefundBody, RefundResult, VoidBody
from console.web.schemas import PROBLEMS, Rows, success_response
from console.web.strictness import StrictBodyRoute
from payments.journeys import repaying
from payments.journeys.repaying import Issue, Repayment, Void

router = APIRouter(prefix="/api", responses=PROBLEMS, route_class=StrictBodyRoute)

_LIMITS = (100, 100)


@router.get("/refunds", responses=success_response(Rows))
def list_refunds(
    query: Annotated[ReportQuery[RepaymentParameters], Depends(report_query(RepaymentParameters, _LIMITS))],
    context: Viewer,
) -> Response:
    """Return a page of refunds and returned payments, newest first. To get the next page, pass `next` as `after`."""
    chosen = query.parameters.to_filter(context.scope_of(query.choice))
    with context.transaction() as tx:
        page = read_rows(query, REPAYMENTS, repaying.SORTS, lambda window, _: repaying.read_page(tx, chosen, window))
        context.audit(tx, "viewed refunds", query.parameters.patient or "", "API")
    return page_response(page, repayment_records, REPAYMENTS)


@router.post("/refunds", responses=success_response(RefundResult))
def request(body: RefundBody, context: EntryPoster) -> Response:
    """Request a refund, or record a bounced check or chargeback. Repeated with the same request key, it counts once."""
    return _result(refund_actions.request(context, body.request()))


@router.get("/refunds/{refund_id}", responses=success_response(RefundResult))
def show(refund_id: RowId, context: Viewer) -> Response:
    """Return one refund."""
    with context.transaction() as tx:
        found = refund_actions.visible_refund(tx, context, refund_id)
        context.audit(tx, "viewed refund", f"refund {refund_id}", "API", found.stored.place.company_id)
    return _result(found)


@router.post("/refunds/{refund_id}/approve", responses=success_response(RefundResult))
def approve(refund_id: RowId, context: RefundApprover) -> Response:
    """Approve a refund that another person has requested."""
    return _result(refund_actions.approve(context, refund_id))


@router.post("/refunds/{refund_id}/issue", responses=success_response(RefundResult))
def issue(refund_id: RowId, body: IssueBody, context: EntryPoster) -> Response:
    """Issue a refund: post the entry that takes the money out."""
    asked = Issue(refund_id, body.reference, body.deposit_date, is_another=body.another)
    return _result(refund_actions.issue(context, asked))


@router.post("/refunds/{refund_id}/void", responses=success_response(RefundResult))
def void(refund_id: RowId, body: VoidBody, context: EntryPoster) -> Response:
    """Void a refund. The entry that it has posted is reversed. A second call changes nothing."""
    return _result(refund_actions.void(context, Void(refund_id, body.reason)))


def _json(found: Repayment) -> dict[str, Any]:
    (record,) = repayment_records([found])
    return {key: to_json_value(record[key]) for key in REPAYMENTS.keys}


def _result(found: Repayment) -> Response:
    return JSONResponse({"refund": _json(found), "before": found.was_done_before})
