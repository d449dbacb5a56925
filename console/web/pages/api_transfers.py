"""The API for transfers."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse

from console.reports.output import to_json_value
from console.reports.transfers import TRANSFERS, TransferParameters, transfer_records
from console.web import transfer_actions
from console.web.api_rows import page_response
from console.web.auth import EntryPoster, Viewer
from console.web.filters import ReportQuery, RowId, report_query
from console.web.lists import read_rows
from console.web.schemas import PROBLEMS, Rows, success_response
from console.web.strictness import StrictBodyRoute
from console.web.transfer_schemas import TransferBody, TransferResult, TransferUndoBody
from payments.journeys import transferring
from payments.journeys.transferring import Transfer, Undo

router = APIRouter(prefix="/api", responses=PROBLEMS, route_class=StrictBodyRoute)

_LIMITS = (100, 100)


@router.get("/transfers", responses=success_response(Rows))
def list_transfers(
    query: Annotated[ReportQuery[TransferParameters], Depends(report_query(TransferParameters, _LIMITS))],
    context: Viewer,
) -> Response:
    """Return a page of transfers, newest first. To get the next page, pass `next` as `after`."""
    chosen = query.parameters.to_filter(context.scope_of(query.choice))
    with context.transaction() as tx:
        page = read_rows(
            query, TRANSFERS, transferring.SORTS, lambda window, _: transferring.read_page(tx, chosen, window)
        )
        context.audit(tx, "viewed transfers", query.parameters.patient or "", "API")
    return page_response(page, transfer_records, TRANSFERS)


@router.post("/transfers", responses=success_response(TransferResult))
def make(body: TransferBody, context: EntryPoster) -> Response:
    """Move money to the account of another patient. A repeated call with the same request key moves nothing."""
    return _result(transfer_actions.make(context, body.request()))


@router.get("/transfers/{transfer_id}", responses=success_response(TransferResult))
def show(transfer_id: RowId, context: Viewer) -> Response:
    """Return one transfer."""
    with context.transaction() as tx:
        found = transfer_actions.visible_transfer(tx, context, transfer_id)
        context.audit(tx, "viewed transfer", f"transfer {transfer_id}", "API", found.stored.company_id)
    return _result(found)


@router.post("/transfers/{transfer_id}/undo", responses=success_response(TransferResult))
def undo(transfer_id: RowId, body: TransferUndoBody, context: EntryPoster) -> Response:
    """Undo a transfer: reverse both of its entries. A second call changes nothing."""
    return _result(transfer_actions.undo(context, Undo(transfer_id, body.reason)))


def _result(found: Transfer) -> Response:
    (record,) = transfer_records([found])
    shown: dict[str, Any] = {key: to_json_value(record[key]) for key in TRANSFERS.keys}
    return JSONResponse({"transfer": shown, "before": found.was_done_before})
