"""The pages of drawers: the list with the form to open one, and the day sheet to count, close and print a drawer."""

from typing import Annotated

from fastapi import APIRouter, Depends, Form, Response

from console.drawer_wording import closed_message, counted_message, opened_message
from console.reports.drawers import (
    DRAWER_METHODS,
    DRAWER_PAYMENTS,
    DRAWERS,
    DrawersParameters,
    drawer_records,
    method_records,
    payment_records,
)
from console.reports.papers import drawer_paper
from console.web import drawer_actions
from console.web.auth import DrawerCloser, DrawerCounter, Viewer
from console.web.drawer_schemas import CountFields, OpeningFields, field_of
from console.web.filters import PageQuery, ReportQuery, RowId, report_query
from console.web.pages.choices import list_offered_ids
from console.web.pdf_files import printed_by, send_pdf
from payments.contract.event import Method
from payments.core.drawer import COUNTED_METHODS, DENOMINATIONS, DrawerState
from payments.journeys import drawers
from payments.journeys.drawers import DrawerSummary

router = APIRouter(include_in_schema=False)

DrawersQuery = Annotated[ReportQuery[DrawersParameters], Depends(report_query(DrawersParameters, is_paged=False))]
DENOMINATION_LABELS = {
    name: f"${value:.0f} {name.partition('_')[0]}" if value >= 1 else f"{value * 100:.0f}-cent coins"
    for name, value in DENOMINATIONS.items()
}
METHOD_FIELDS = {field_of(method): method for method in COUNTED_METHODS}


class _OpeningForm(OpeningFields, PageQuery):
    """The form that opens a drawer. A field that the user did not fill in is empty."""


class _CountForm(CountFields, PageQuery):
    """The form of a count. A field that the user did not fill in counts as none."""


@router.get("/drawers")
def show_list(query: DrawersQuery, context: Viewer) -> Response:
    """Show the drawers of the user's clinics, the newest day first, and the form to open one."""
    chosen, scope = query.parameters, context.scope_of(query.choice)
    with context.transaction() as tx:
        offered = list_offered_ids(tx, context)
        rows = drawers.list_drawers(tx, chosen.to_filter(scope))
        context.audit(tx, "viewed drawers", chosen.clinic or "")
    return context.page(
        "drawers.html",
        report=DRAWERS,
        chosen=chosen,
        offered=offered,
        rows=drawer_records(rows),
        has_more=len(rows) == drawers.DRAWERS_MAX,
        today=context.today_in(scope),
    )


@router.post("/drawers")
def open_drawer(form: Annotated[_OpeningForm, Form()], context: DrawerCounter) -> Response:
    """Open a drawer. A second click shows the drawer that the first one opened."""
    opened = drawer_actions.open_drawer(context, form)
    return context.redirect(f"/drawers/{opened.drawer.id}", opened_message(opened))


@router.get("/drawers/{drawer_id}")
def show(drawer_id: RowId, context: Viewer) -> Response:
    """Show the day sheet of a drawer, with the forms to count and to close it."""
    with context.transaction() as tx:
        sheet = drawer_actions.visible_sheet(tx, context, drawer_id)
        summary = sheet.summary
        context.audit(tx, "viewed drawer", f"drawer {drawer_id}", "", summary.drawer.company_id)
    (record,) = drawer_records([summary])
    return context.page(
        "drawer.html",
        drawer=record,
        summary=summary,
        methods=DRAWER_METHODS,
        method_rows=method_records(summary),
        report=DRAWER_PAYMENTS,
        rows=payment_records(sheet.lines),
        late_total=sheet.late_total,
        late_count=len(sheet.late),
        denominations=DENOMINATIONS,
        denomination_labels=DENOMINATION_LABELS,
        method_fields=METHOD_FIELDS,
        cash=Method.CASH,
        may_count=context.may("count_drawers") and summary.state is not DrawerState.CLOSED,
        may_close=_may_close(summary, context.user.audit_name) and context.may("close_drawers"),
        printed_at=context.now,
    )


@router.get("/drawers/{drawer_id}/pdf")
def show_pdf(drawer_id: RowId, context: Viewer) -> Response:
    """Send the day sheet of a drawer as a PDF file, to print."""
    with context.transaction() as tx:
        sheet = drawer_actions.visible_sheet(tx, context, drawer_id)
        context.audit(tx, "printed drawer", f"drawer {drawer_id}", "PDF", sheet.summary.drawer.company_id)
    return send_pdf(context, drawer_paper(sheet, printed_by(context)))


@router.post("/drawers/{drawer_id}/count")
def count(drawer_id: RowId, form: Annotated[_CountForm, Form()], context: DrawerCounter) -> Response:
    """Count a drawer. The first count locks it."""
    found = drawer_actions.count(context, drawer_id, form.to_count())
    return context.redirect(f"/drawers/{drawer_id}", counted_message(found))


@router.post("/drawers/{drawer_id}/close")
def close(drawer_id: RowId, context: DrawerCloser) -> Response:
    """Close a drawer that other persons have counted."""
    found = drawer_actions.close(context, drawer_id)
    return context.redirect(f"/drawers/{drawer_id}", closed_message(found))


def _may_close(summary: DrawerSummary, who: str) -> bool:
    return summary.state is DrawerState.BALANCED and who not in {each.counted_by for each in summary.counts}
