"""The API for deposits."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse

from console.reports.deposits import (
    DEPOSITS,
    UNDEPOSITED,
    DepositsParameters,
    UndepositedParameters,
    deposit_records,
    entry_records,
)
from console.reports.output import Record, to_json_value
from console.web import deposit_actions
from console.web.api_rows import rows_response
from console.web.auth import Depositor, Viewer
from console.web.deposit_schemas import DepositBody, DepositResult, UndoingBody
from console.web.filters import ReportQuery, RowId, report_query
from console.web.schemas import PROBLEMS, Rows, success_response
from console.web.strictness import StrictBodyRoute
from payments.core.deposit import ENTRIES_MAX
from payments.journeys import deposits
from payments.journeys.deposits import DepositReversal, DepositSlip

router = APIRouter(prefix="/api", responses=PROBLEMS, route_class=StrictBodyRoute)


@router.get("/deposits", responses=success_response(Rows))
def list_deposits(
    query: Annotated[ReportQuery[DepositsParameters], Depends(report_query(DepositsParameters, is_paged=False))],
    context: Viewer,
) -> Response:
    """Return the newest 500 deposits that match, the newest day first. A reversal has a negative total."""
    chosen, scope = query.parameters, context.scope_of(query.choice)
    with context.transaction() as tx:
        rows = deposits.list_deposits(tx, chosen.to_filter(scope))
        context.audit(tx, "viewed deposits", chosen.clinic or "", "API")
    return rows_response(deposit_records(rows), DEPOSITS)


@router.get("/undeposited", responses=success_response(Rows))
def list_undeposited(
    query: Annotated[ReportQuery[UndepositedParameters], Depends(report_query(UndepositedParameters, is_paged=False))],
    context: Viewer,
) -> Response:
    """Return the first 5,000 entries that match and are on no deposit, by deposit date."""
    chosen, scope = query.parameters, context.scope_of(query.choice)
    with context.transaction() as tx:
        rows = deposits.list_undeposited(tx, chosen.to_filter(scope), ENTRIES_MAX)
        context.audit(tx, "viewed entries to deposit", chosen.clinic or "", "API")
    return rows_response(entry_records(rows), UNDEPOSITED)


@router.post("/deposits", responses=success_response(DepositResult))
def make(body: DepositBody, context: Depositor) -> Response:
    """Make a deposit of entries that are on none. A repeated call with the same request key makes no second one."""
    return _json_slip(deposit_actions.make(context, body.draft_of(body.entries)))


@router.get("/deposits/{deposit_id}", responses=success_response(DepositResult))
def show(deposit_id: RowId, context: Viewer) -> Response:
    """Return a deposit with its entries."""
    with context.transaction() as tx:
        slip = deposit_actions.visible_slip(tx, context, deposit_id)
        context.audit(tx, "viewed deposit", f"deposit {deposit_id}", "API", slip.deposit.company_id)
    return _json_slip(slip)


@router.post("/deposits/{deposit_id}/reverse", responses=success_response(DepositResult))
def reverse(deposit_id: RowId, body: UndoingBody, context: Depositor) -> Response:
    """Reverse a deposit: its entries are on no deposit again. Returns the reversal. A second call changes nothing."""
    return _json_slip(deposit_actions.reverse(context, DepositReversal(deposit_id, body.reason, body.day)))


def _json_slip(slip: DepositSlip) -> Response:
    (deposit,) = deposit_records([slip.deposit])
    entries = [_json(each) for each in entry_records(slip.entries)]
    return JSONResponse({"deposit": _json(deposit), "entries": entries, "before": slip.was_made_before})


def _json(record: Record) -> dict[str, Any]:
    return {key: to_json_value(value) for key, value in record.items()}
