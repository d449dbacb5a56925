"""The timeline of one payment: every event with its user, duration and result."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from console.web.auth import Viewer
from console.web.context import RequestContext
from console.web.errors import PageError
from console.web.filters import Filter, Text
from payments.core.outcome import Reason
from payments.journeys import reporting
from payments.journeys.reporting import FeedFilter, TimelineRow
from payments.store.db.connection import Transaction

router = APIRouter(include_in_schema=False)


class _Choice(Filter):
    payment: Text | None = None


@router.get("/timeline")
def show(choice: Annotated[_Choice, Query()], context: Viewer) -> Response:
    """Show the timeline of a payment, or the search form."""
    if choice.payment is None:
        return context.page("timeline.html", payment=None)
    with context.app.transaction() as tx:
        happened = timeline_rows(tx, context, choice.payment)
        found = reporting.claims_feed_page(
            tx, FeedFilter(payment=choice.payment, clinics=context.user.clinics), None, 1
        ).rows
        context.audit(tx, "viewed timeline", choice.payment)
    row = found[0].row if found else None
    return context.page(
        "timeline.html",
        payment=choice.payment,
        happened=happened,
        row=row,
        sentence=Reason(row.reason).sentence if row and row.reason else "",
        may_requeue=bool(row and row.status != "Transmission Successful"),
    )


def timeline_rows(tx: Transaction, context: RequestContext, key: str) -> list[TimelineRow]:
    """Return the timeline of a payment. Raises PageError (404) if it is unknown or the user may not see it."""
    rows = list(reporting.timeline(tx, key)) if reporting.visible_keys(tx, context.user, [key]) else []
    if not rows:
        step = "Enter the key as clinic/payment/line; the Claims Feed shows it."
        raise PageError(404, f"There is no payment {key}.", step)
    return rows
