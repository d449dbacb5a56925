"""The list of Billing Exceptions: differences between Billing and the EMR that a biller accepts or acknowledges."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Response

from console.reports.exceptions import (
    EXCEPTIONS,
    ExceptionsParameters,
    QueueChoice,
    StatusChoice,
    WorkChoice,
    exception_records,
)
from console.web import exception_actions
from console.web.auth import Editor, Exporter, Viewer
from console.web.context import RequestContext
from console.web.exception_rows import KEPT_PATTERN, read_kept, row_values, with_kept
from console.web.exporting import Export, FileFormat, send_file
from console.web.filters import ReportQuery, query_of_address, report_query
from console.web.forms import ReturnForm
from console.web.lists import read_list, select, view_list
from console.web.newer_rows import show_newer
from console.web.pages.choices import list_offered_ids
from console.web.summaries import show_summary
from payments.journeys import reporting
from payments.journeys.reporting import EXCEPTION_SORTS, ExceptionRow, ExceptionWork, Page, Sort, Window
from payments.store.db.connection import Transaction

router = APIRouter(include_in_schema=False)

PAGE_ROWS = 25
Tab = tuple[str, str, bool, int]

ExceptionsQuery = Annotated[ReportQuery[ExceptionsParameters], Depends(report_query(ExceptionsParameters))]


_Kept = Annotated[str | None, Query(pattern=KEPT_PATTERN)]


@router.get("/exceptions")
def show(query: ExceptionsQuery, context: Viewer, kept: _Kept = None) -> Response:
    """Show a page of exceptions. By default the oldest exceptions come first."""
    chosen, scope = select(context, query)
    exception_filter = chosen.to_filter(scope)
    with context.snapshot_transaction() as tx:

        def read(window: Window, sort: Sort) -> Page[ExceptionRow]:
            return reporting.exceptions_page(tx, exception_filter, window, sort)

        found = read_list(query, EXCEPTIONS, EXCEPTION_SORTS, read, PAGE_ROWS)
        rows = with_kept(
            [each.row for each in found.page.rows], read_kept(tx, context, kept), EXCEPTIONS.sort_of(query.parameters)
        )
        counts = reporting.exception_counts(tx, exception_filter)
        offered = list_offered_ids(tx, context)
        values = row_values(tx, context, rows, context.link())
        work = reporting.exception_work(tx, scope, context.user.name, context.now)
        context.audit(tx, "viewed Billing Exceptions", chosen.patient or "", context.request.url.query)
    values["may_edit"] = values["may_edit"] and chosen.as_of is None
    return context.page(
        "exceptions.html",
        chosen=query.parameters,
        list=view_list(context, EXCEPTIONS, query, found),
        rows=rows,
        counts=counts,
        total=sum(each.count for each in counts),
        offered=offered,
        tabs=_tabs(context, query.parameters, work),
        **values,
    )


def _tabs(context: RequestContext, chosen: ExceptionsParameters, work: ExceptionWork) -> list[Tab]:
    """Return the tabs of the work queues. A tab is a text, an address, whether it is the current tab, and a count."""
    shown = (chosen.queue, chosen.work)
    # A tab counts what is open in a clinic or company; it has no other filter.
    cleared = dict.fromkeys(set(context.request.query_params) - {"clinic", "company"})

    def tab(text: str, count: int, queue: QueueChoice | None, kind: WorkChoice | None) -> Tab:
        link = context.link(**cleared | {"queue": queue, "work": kind})
        return (text, link, (queue, kind) == shown and chosen.status is StatusChoice.OPEN, count)

    return [
        tab("All", work.open, None, None),
        tab("To post", work.to_post, QueueChoice.TO_POST, None),
        tab("Nothing to post", work.open - work.to_post, QueueChoice.NOTHING_TO_POST, None),
        tab("Mine", work.mine, None, WorkChoice.MINE),
        tab("No owner", work.unassigned, None, WorkChoice.UNASSIGNED),
        tab("Overdue", work.overdue, None, WorkChoice.OVERDUE),
    ]


@router.get("/exceptions/summary")
def summary(query: ExceptionsQuery, context: Viewer, *, exact: bool = False) -> Response:
    """Show the number and the sum of the matching rows."""
    chosen, scope = select(context, query)
    exception_filter = chosen.to_filter(scope)
    return show_summary(context, EXCEPTIONS, reporting.exceptions_summary, exception_filter, exact=exact)


@router.get("/exceptions/newer")
def newer(query: ExceptionsQuery, context: Viewer) -> Response:
    """Show how many rows were added since the page was read."""
    chosen, scope = select(context, query)
    exception_filter = chosen.to_filter(scope)

    def count(tx: Transaction, window: Window, sort: Sort) -> int:
        return reporting.count_exceptions(tx, exception_filter, window, sort)

    return show_newer(context, EXCEPTIONS, query, EXCEPTION_SORTS, count)


@router.get("/exceptions/export")
def export(query: ExceptionsQuery, context: Exporter, form: FileFormat = FileFormat.CSV) -> Response:
    """Export the matching exceptions as a file."""
    chosen, scope = select(context, query)
    exception_filter, sort = chosen.to_filter(scope), EXCEPTIONS.sort_of(chosen)
    return send_file(
        context,
        Export(
            EXCEPTIONS,
            form,
            lambda tx: reporting.exceptions_summary(tx, exception_filter).count,
            lambda tx: exception_records(reporting.exceptions(tx, exception_filter, sort)),
            chosen.patient or "",
        ),
    )


@router.post("/exceptions/next")
def claim_next(form: Annotated[ReturnForm, Form()], context: Editor) -> Response:
    """Assign the next exception of the list to the user, and show it. Two users never get the same exception."""
    back = form.return_to("/exceptions")
    chosen, scope = select(context, query_of_address(ExceptionsParameters, back))
    row = exception_actions.claim_next(context, replace(chosen.to_filter(scope), owner=None))
    if row is None:
        return context.redirect(back, "No exceptions without an owner are left in this list.")
    return context.redirect(f"/exceptions/{row.id}", f"Exception {row.id} is assigned to you.")
