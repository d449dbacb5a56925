"""The API for drawers."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Response
from fastapi.responses import JSONResponse

from console.reports.drawers import DRAWERS, DrawersParameters, drawer_records, method_records, payment_records
from console.reports.output import Record, to_json_value
from console.web import drawer_actions
from console.web.api_rows import rows_response
from console.web.auth import DrawerCloser, DrawerCounter, Viewer
from console.web.context import RequestContext
from console.web.drawer_schemas import CountBody, DrawerResult, OpeningBody
from console.web.filters import ReportQuery, RowId, report_query
from console.web.schemas import PROBLEMS, Rows, success_response
from console.web.strictness import StrictBodyRoute
from payments.journeys import drawers

router = APIRouter(prefix="/api", responses=PROBLEMS, route_class=StrictBodyRoute)


@router.get("/drawers", responses=success_response(Rows))
def list_drawers(
    query: Annotated[ReportQuery[DrawersParameters], Depends(report_query(DrawersParameters, is_paged=False))],
    context: Viewer,
) -> Response:
    """Return the newest 500 drawers that match, the newest day first. An open drawer has no amounts yet."""
    chosen, scope = query.parameters, context.scope_of(query.choice)
    with context.transaction() as tx:
        rows = drawers.list_drawers(tx, chosen.to_filter(scope))
        context.audit(tx, "viewed drawers", chosen.clinic or "", "API")
    return rows_response(drawer_records(rows), DRAWERS)


@router.post("/drawers", responses=success_response(DrawerResult))
def open_drawer(body: OpeningBody, context: DrawerCounter) -> Response:
    """Open a drawer for the next shift of a day. A clinic has one open drawer: a repeated call returns it."""
    opened = drawer_actions.open_drawer(context, body)
    return _sheet(context, opened.drawer.id, was_open_before=opened.was_open_before)


@router.get("/drawers/{drawer_id}", responses=success_response(DrawerResult))
def show(drawer_id: RowId, context: Viewer) -> Response:
    """Return the day sheet of a drawer: its balance by method, and its payments."""
    return _sheet(context, drawer_id)


@router.post("/drawers/{drawer_id}/count", responses=success_response(DrawerResult))
def count(drawer_id: RowId, body: CountBody, context: DrawerCounter) -> Response:
    """Count a drawer. The first count locks it: it takes no more payments. A later count replaces an earlier one."""
    drawer_actions.count(context, drawer_id, body.to_count())
    return _sheet(context, drawer_id)


@router.post("/drawers/{drawer_id}/close", responses=success_response(DrawerResult))
def close(drawer_id: RowId, context: DrawerCloser) -> Response:
    """Close a balanced drawer that other persons have counted. A second call changes nothing."""
    drawer_actions.close(context, drawer_id)
    return _sheet(context, drawer_id)


def _sheet(context: RequestContext, drawer_id: int, *, was_open_before: bool = False) -> Response:
    with context.transaction() as tx:
        sheet = drawer_actions.visible_sheet(tx, context, drawer_id)
        context.audit(tx, "viewed drawer", f"drawer {drawer_id}", "API", sheet.summary.drawer.company_id)
    (drawer,) = drawer_records([sheet.summary])
    return JSONResponse(
        {
            "drawer": _json(drawer),
            "methods": [_json(each) for each in method_records(sheet.summary)],
            "payments": [_json(each) for each in payment_records(sheet.lines)],
            "before": was_open_before,
        }
    )


def _json(record: Record) -> dict[str, Any]:
    return {key: to_json_value(value) for key, value in record.items()}
