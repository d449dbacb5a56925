"""The page of the Claims Feed: every saved payment with its status. Users can requeue selected payments."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Form, Response
from pydantic import Field

from console.reports.claims_feed import CLAIMS_FEED, ClaimsFeedParameters
from console.web.auth import Requeuer, Viewer
from console.web.context import RequestContext
from console.web.errors import PageError
from console.web.filters import ReportQuery, Text, decode_feed_cursor, encode_feed_cursor, report_query
from console.web.forms import ReturnForm
from console.web.pages.choices import list_offered_ids
from payments import wording
from payments.access.rights import Right
from payments.contract.errors import dead_letter_id
from payments.journeys import reporting, requeueing
from payments.journeys.reporting import FeedRow
from payments.journeys.requeueing import REQUEUEABLE
from tasks import enqueue

router = APIRouter(include_in_schema=False)

PAGE_ROWS = 50


class _RequeueForm(ReturnForm):
    payment: list[str] = Field(default_factory=list)
    company: Text | None = None


@router.get("/claims-feed")
def show(
    query: Annotated[ReportQuery[ClaimsFeedParameters], Depends(report_query(ClaimsFeedParameters))], context: Viewer
) -> Response:
    """Show a page of the Claims Feed."""
    chosen = query.parameters
    feed_filter = chosen.query(context.scope_of(query.choice))
    with context.transaction() as tx:
        page = reporting.claims_feed_page(tx, feed_filter, decode_feed_cursor(query.after), PAGE_ROWS)
        offered = list_offered_ids(tx, context)
        context.audit(tx, "viewed Claims Feed", chosen.find or "", context.request.url.query)
    return context.page(
        "claims_feed.html",
        report=CLAIMS_FEED,
        chosen=chosen,
        is_first=query.after is None,
        rows=[_page_row(each.row) for each in page.rows],
        next_page=context.link(after=encode_feed_cursor(page.rows[-1].cursor)) if page.has_more else None,
        offered=offered,
        can_requeue=context.may(Right.REQUEUE) and chosen.as_of is None,
        can_requeue_all=chosen.status in REQUEUEABLE or (chosen.status is None and chosen.reason is not None),
    )


@router.post("/claims-feed/requeue")
def requeue(form: Annotated[_RequeueForm, Form()], context: Requeuer) -> Response:
    """Requeue the selected payments."""
    keys = form.payment
    if not keys:
        raise PageError(422, "No payments are selected.", "Go back and select the payments to requeue.")
    requeued = requeue_keys(context, keys, form.company or None)
    skipped = f"; {len(requeued.skipped)} skipped (already imported or not found)" if requeued.skipped else ""
    message = f"{requeued.count} of {len(keys)} payment{'' if len(keys) == 1 else 's'} requeued{skipped}."
    return context.redirect(form.return_to("/claims-feed", "/timeline"), message)


def requeue_keys(context: RequestContext, keys: list[str], company: str | None) -> requeueing.Requeued:
    """Requeue the payments that the user may see, and ask the importer to retry them. Other payments are skipped.

    `company` limits the payments to those of one company. Raises AmbiguousIdError if a key names payments of several.
    """
    wanted, scope = list(dict.fromkeys(keys)), context.user.scope.narrowed_to_company(company)
    with context.transaction() as tx:
        requeued = requeueing.requeue(tx, wanted, context.now, context.user.signature, scope)
        for key in wanted:
            if key not in requeued.skipped:
                context.audit(tx, "requeued", key)
    enqueue.enqueue_retry_due(context.app.engines)
    return requeued


def _page_row(row: FeedRow) -> dict[str, Any]:
    return {
        **row._asdict(),
        "detail": wording.detail(row.detail),
        "key": row.payment if row.refused is None else row.refused,
        "shown": row.payment or f"Invalid event {dead_letter_id(row.refused or '')}",
        "sentence": wording.reason(row.reason),
        "may_requeue": row.status in REQUEUEABLE,
    }
