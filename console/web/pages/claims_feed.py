"""The page of the Claims Feed: every saved payment with its status. Users can requeue selected payments."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Response
from pydantic import Field

from console import recorded_actions
from console.reports.claims_feed import CLAIMS_FEED, ClaimsFeedParameters, feed_records
from console.web.auth import Exporter, Requeuer, Viewer
from console.web.context import RequestContext
from console.web.errors import PageError
from console.web.exporting import Export, FileFormat, send_file
from console.web.filters import ReportQuery, Text, report_query
from console.web.forms import ReturnForm
from console.web.large_forms import LargeFormRoute
from console.web.lists import read_list, select, view_list
from console.web.newer_rows import show_newer
from console.web.pages.choices import list_offered_ids
from console.web.summaries import show_summary
from payments import wording
from payments.access.rights import Right
from payments.contract.errors import dead_letter_id
from payments.journeys import reporting, requeueing
from payments.journeys.reporting import FEED_SORTS, FeedRow, Page, Sort, Window
from payments.journeys.requeueing import REQUEUEABLE_STATUSES
from payments.store.db.connection import Transaction
from tasks import enqueue

router = APIRouter(include_in_schema=False, route_class=LargeFormRoute)

PAGE_ROWS = 50
_NOTHING_SELECTED_MESSAGE = "No payments are selected."
_ADDED_UP_MAX = 500
"""Maximum number of selected payments that are added up: more than the PAGE_ROWS payments of a page."""


class _RequeueForm(ReturnForm):
    payment: list[str] = Field(default_factory=list)
    company: Text | None = None


FeedQuery = Annotated[ReportQuery[ClaimsFeedParameters], Depends(report_query(ClaimsFeedParameters))]


@router.get("/claims-feed")
def show(query: FeedQuery, context: Viewer) -> Response:
    """Show a page of the Claims Feed."""
    chosen, scope = select(context, query)
    feed_filter = chosen.to_filter(scope)
    with context.transaction() as tx:

        def read(window: Window, sort: Sort) -> Page[FeedRow]:
            return reporting.claims_feed_page(tx, feed_filter, window, sort)

        found = read_list(query, CLAIMS_FEED, FEED_SORTS, read, PAGE_ROWS)
        offered = list_offered_ids(tx, context)
        context.audit(tx, "viewed Claims Feed", chosen.find or "", context.request.url.query)
    return context.page(
        "claims_feed.html",
        report=CLAIMS_FEED,
        chosen=query.parameters,
        list=view_list(context, CLAIMS_FEED, query, found),
        rows=[_page_row(each.row) for each in found.page.rows],
        offered=offered,
        can_requeue=context.may(Right.REQUEUE) and chosen.as_of is None,
        can_requeue_all=chosen.status in REQUEUEABLE_STATUSES or (chosen.status is None and chosen.reason is not None),
    )


@router.get("/claims-feed/summary")
def summary(query: FeedQuery, context: Viewer, *, exact: bool = False) -> Response:
    """Show the number and the sum of the matching rows: of up to SORTED_ROWS_MAX rows or, if `exact`, of all."""
    chosen, scope = select(context, query)
    feed_filter = chosen.to_filter(scope)
    return show_summary(context, CLAIMS_FEED, reporting.claims_feed_summary, feed_filter, exact=exact)


@router.get("/claims-feed/newer")
def newer(query: FeedQuery, context: Viewer) -> Response:
    """Show how many rows were added since the page was read."""
    chosen, scope = select(context, query)
    feed_filter = chosen.to_filter(scope)

    def count(tx: Transaction, window: Window, sort: Sort) -> int:
        return reporting.count_payments(tx, feed_filter, window, sort)

    return show_newer(context, CLAIMS_FEED, query, FEED_SORTS, count)


@router.get("/claims-feed/export")
def export(query: FeedQuery, context: Exporter, form: FileFormat = FileFormat.CSV) -> Response:
    """Export the matching payments as a file."""
    chosen, scope = select(context, query)
    feed_filter, sort = chosen.to_filter(scope), CLAIMS_FEED.sort_of(chosen)
    return send_file(
        context,
        Export(
            CLAIMS_FEED,
            form,
            lambda tx: reporting.claims_feed_summary(tx, feed_filter).count,
            lambda tx: feed_records(reporting.claims_feed(tx, feed_filter, sort)),
            chosen.find or "",
        ),
    )


@router.post("/claims-feed/selected")
def show_selected(form: Annotated[_RequeueForm, Form()], context: Requeuer) -> Response:
    """Show the number and the sum of the selected payments. Users without scripts confirm the requeue on this page.

    Raises PageError (422) if no payment is selected.
    """
    keys, scope = list(dict.fromkeys(form.payment)), context.user.scope.narrowed_to_company(form.company)
    if not keys:
        raise PageError(422, _NOTHING_SELECTED_MESSAGE, "Go back and select the payments to requeue.")
    with context.transaction() as tx:
        summary = reporting.selected_payments_summary(tx, keys, scope) if len(keys) <= _ADDED_UP_MAX else None
    return context.page("requeue_selected.html", form=form, keys=keys, summary=summary)


@router.post("/claims-feed/requeue")
def requeue(form: Annotated[_RequeueForm, Form()], context: Requeuer) -> Response:
    """Requeue the selected payments.

    Raises PageError (422) if no payment is selected, and the errors of `requeue_keys`.
    """
    keys = form.payment
    if not keys:
        raise PageError(422, _NOTHING_SELECTED_MESSAGE, "Go back and select the payments to requeue.")
    requeued = requeue_keys(context, keys, form.company or None)
    skipped = f"; {len(requeued.skipped)} skipped (already imported or not found)" if requeued.skipped else ""
    message = f"{requeued.count} of {len(keys)} payment{'' if len(keys) == 1 else 's'} requeued{skipped}."
    return context.redirect(form.return_to("/claims-feed", "/timeline"), message)


def requeue_keys(context: RequestContext, keys: list[str], company: str | None) -> requeueing.RequeueSummary:
    """Requeue payments by their keys, and enqueue their retry. Payments that the user may not see are skipped.

    `company` limits the payments to one company. Raises AmbiguousIdError if a key names payments of several companies.
    """
    wanted, scope = list(dict.fromkeys(keys)), context.user.scope.narrowed_to_company(company)
    with context.transaction() as tx:
        requeued = recorded_actions.requeue(tx, context.actor, wanted, scope)
    enqueue.enqueue_retry_due(context.app.engines)
    return requeued


def _page_row(row: FeedRow) -> dict[str, Any]:
    return {
        **row._asdict(),
        "detail": wording.detail(row.detail),
        "key": row.payment if row.refused is None else row.refused,
        "shown": row.payment or f"Refused event {dead_letter_id(row.refused or '')}",
        "sentence": wording.reason(row.reason),
        "may_requeue": row.status in REQUEUEABLE_STATUSES,
    }
