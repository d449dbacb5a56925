"""The API for manual entries."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse

from console.reports.manual_entries import MANUAL_ENTRIES, ManualEntriesParameters, manual_entry_records
from console.reports.output import to_json_value
from console.web import entry_actions
from console.web.auth import EntryPoster, Viewer
from console.web.entry_schemas import (
    EntryBody,
    EntryResult,
    LinkBody,
    LinkResult,
    ReversalBody,
    UnlinkBody,
)
from console.web.filters import ReportQuery, RowId, report_query
from console.web.schemas import PROBLEMS, Rows, success_response
from console.web.strictness import StrictBodyRoute
from payments.journeys import manual_entries
from payments.journeys.linking import LinkChange, LinkRequest, UnlinkRequest
from payments.journeys.manual_entries import LinkTarget, PostedEntry, ReversalRequest

router = APIRouter(prefix="/api", responses=PROBLEMS, route_class=StrictBodyRoute)


@router.get("/entries", responses=success_response(Rows))
def list_entries(
    query: Annotated[
        ReportQuery[ManualEntriesParameters], Depends(report_query(ManualEntriesParameters, is_paged=False))
    ],
    context: Viewer,
) -> Response:
    """Return the manual entries of a patient's account, newest first."""
    chosen = query.parameters
    scope = context.user.scope.narrowed_to_company(chosen.company)
    with context.transaction() as tx:
        found = manual_entries.of_account(tx, chosen.patient, scope)
        context.audit(tx, "viewed manual entries", chosen.patient, "API")
    return JSONResponse({"rows": [_json(each) for each in found], "next": None, "previous": None})


@router.post("/entries", responses=success_response(EntryResult))
def post(body: EntryBody, context: EntryPoster) -> Response:
    """Post a manual entry to a patient's account. A repeated call with the same request key posts nothing."""
    posted = entry_actions.post(context, body.request())
    return JSONResponse({"entry": _json(posted), "before": posted.was_posted_before})


@router.get("/entries/{entry_id}", responses=success_response(EntryResult))
def show(entry_id: RowId, context: Viewer) -> Response:
    """Return one manual entry."""
    with context.transaction() as tx:
        posted = entry_actions.visible_entry(tx, context, entry_id)
        context.audit(tx, "viewed manual entry", f"entry {entry_id}", "API", posted.entry.content.company_id)
    return JSONResponse({"entry": _json(posted), "before": False})


@router.post("/entries/{entry_id}/reverse", responses=success_response(EntryResult))
def reverse(entry_id: RowId, body: ReversalBody, context: EntryPoster) -> Response:
    """Reverse a manual entry: post an opposite entry, and return it. A second call changes nothing."""
    done = entry_actions.reverse(context, ReversalRequest(entry_id, body.reason, body.deposit_date))
    return JSONResponse({"entry": _json(PostedEntry(done.reversal)), "before": done.was_reversed_before})


@router.post("/entries/{entry_id}/link", responses=success_response(LinkResult))
def link(entry_id: RowId, body: LinkBody, context: EntryPoster) -> Response:
    """Link a manual entry to the payment of a closed month for which the entry was posted by hand."""
    return _link_result(entry_actions.link(context, LinkRequest(entry_id, LinkTarget(body.exception, body.payment))))


@router.post("/entries/{entry_id}/unlink", responses=success_response(LinkResult))
def unlink(entry_id: RowId, body: UnlinkBody, context: EntryPoster) -> Response:
    """End the link of a manual entry to a payment."""
    return _link_result(entry_actions.unlink(context, UnlinkRequest(entry_id, body.reason)))


def _json(posted: PostedEntry) -> dict[str, Any]:
    (record,) = manual_entry_records([posted])
    return {key: to_json_value(record[key]) for key in MANUAL_ENTRIES.keys}


def _link_result(done: LinkChange) -> Response:
    return JSONResponse(
        {
            "payment": done.payment,
            "difference": f"{done.difference:.2f}",
            "settled": done.is_settled,
            "before": done.was_changed_before,
        }
    )
