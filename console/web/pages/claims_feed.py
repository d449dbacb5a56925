"""The Claims Feed: every saved payment and what became of it; chosen ones are requeued from here."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from console.web.auth import Requeuer, Viewer
from console.web.context import RequestContext
from console.web.errors import PageError
from console.web.filters import FeedChoice, encode_cursor
from console.web.pages.choices import clinic_names
from payments.access.rights import Right
from payments.core.outcome import Reason, Status
from payments.journeys import reporting, requeueing
from payments.journeys.reporting import FeedRow
from tasks import enqueue

router = APIRouter(include_in_schema=False)

PAGE_ROWS = 50
REQUEUEABLE = frozenset({Status.NOT_SENT, Status.PENDING, Status.VALIDATION_FAILED})


@router.get("/claims-feed")
def show(choice: Annotated[FeedChoice, Query()], context: Viewer) -> Response:
    """Show a page of the feed."""
    with context.app.transaction() as tx:
        page = reporting.claims_feed_page(tx, choice.wanted(context.user), choice.place(), PAGE_ROWS)
        names = clinic_names(tx, context)
        context.audit(tx, "viewed Claims Feed", choice.find or "", context.request.url.query)
    return context.page(
        "claims_feed.html",
        choice=choice,
        rows=[_shown(each.row) for each in page.rows],
        next_page=context.link(after=encode_cursor(page.rows[-1].cursor)) if page.has_more else None,
        clinics=names,
        statuses=list(Status),
        reasons=list(Reason),
        can_requeue=context.may(Right.REQUEUE),
        can_requeue_all=choice.status in REQUEUEABLE or (choice.status is None and choice.reason is not None),
    )


@router.post("/claims-feed/requeue")
def requeue(context: Requeuer) -> Response:
    """Requeue the rows that were ticked."""
    keys = [str(key) for key in context.form.getlist("payment")]
    if not keys:
        raise PageError(422, "No payment was ticked.", "Go back and tick the payments to requeue.")
    done = requeue_keys(context, keys)
    passed = f" {len(done.passed_over)} needed nothing." if done.passed_over else ""
    return context.redirect(
        back_to(context, "/claims-feed", "/timeline"),
        f"{done.count} of {len(keys)} payments will be judged again.{passed}",
    )


def requeue_keys(context: RequestContext, keys: list[str]) -> requeueing.Requeued:
    """Requeue payments that the visitor may see, and nudge the importer."""
    with context.app.transaction() as tx:
        visible = reporting.visible_keys(tx, context.user, list(dict.fromkeys(keys)))
        hidden = tuple(key for key in keys if key not in set(visible))
        done = requeueing.requeue(tx, visible, context.now, context.user.signature)
        for key in visible:
            if key not in done.passed_over:
                context.audit(tx, "requeued", key)
    enqueue.enqueue_retry_due(context.app.settings, context.app.engines)
    return requeueing.Requeued(done.count, (*done.passed_over, *hidden))


def back_to(context: RequestContext, *pages: str) -> str:
    """Return the address that the visitor comes from, if it is one of these pages of ours; else that of the first."""
    back = context.form.get("back")
    return back if isinstance(back, str) and back.partition("?")[0] in pages else pages[0]


def _shown(row: FeedRow) -> dict[str, Any]:
    return {
        **row._asdict(),
        "key": row.payment if row.refused is None else row.refused,
        "sentence": Reason(row.reason).sentence if row.reason else "",
        "may_requeue": row.status in REQUEUEABLE,
    }
