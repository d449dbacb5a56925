"""The page of a payment's timeline: every event with its user, duration and result."""

from typing import Annotated, NamedTuple
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Response

from console.reports.timeline import TIMELINE, TimelineParameters, event_record, timeline_records
from console.web import navigation
from console.web.auth import Exporter, Viewer
from console.web.errors import PageError
from console.web.exporting import FileFormat, send_records
from console.web.filters import ReportQuery, optional_report_query, report_query
from console.web.history_amounts import with_dollars
from console.web.origins import referring_page
from console.web.pages.choices import list_offered_ids
from payments import wording
from payments.core.outcome import Status
from payments.core.scope import Scope
from payments.journeys import noting, reporting
from payments.journeys.reporting import FeedFilter, TimelineRow, Window
from payments.store.db.connection import Transaction

router = APIRouter(include_in_schema=False)

_FEED_PAGE = "/claims-feed"


@router.get("/timeline")
def show(
    query: Annotated[ReportQuery[TimelineParameters] | None, Depends(optional_report_query(TimelineParameters))],
    context: Viewer,
) -> Response:
    """Show the timeline of a payment. Without a payment, show the search form."""
    if query is None:
        with context.transaction() as tx:
            offered = list_offered_ids(tx, context)
        return context.page("timeline.html", report=TIMELINE, payment=None, offered=offered)
    payment = query.parameters.payment
    scope = context.user.scope.narrowed_to_company(query.parameters.company)
    with context.transaction() as tx:
        events = timeline_rows(tx, scope, payment)
        facts = reporting.payment_facts(tx, payment, scope)
        subjects = noting.payment_subjects(tx, payment, scope)
        notes = noting.list_notes(tx, subjects) if subjects else None
        found = reporting.claims_feed_page(tx, FeedFilter(payment=payment, scope=scope), Window(1)).rows
        context.audit(tx, "viewed timeline", payment)
    row = found[0].row if found else None
    return context.page(
        "timeline.html",
        report=TIMELINE,
        payment=payment,
        events=[event_record(each) for each in with_dollars(events)],
        row=row,
        facts=facts,
        notes=notes,
        back=list_page(referring_page(context.request)),
        sentence=wording.reason(row.reason) if row else "",
        may_requeue=bool(row and row.status != Status.SUCCESSFUL),
    )


@router.get("/timeline/export")
def export(
    query: Annotated[ReportQuery[TimelineParameters], Depends(report_query(TimelineParameters, is_paged=False))],
    context: Exporter,
    form: FileFormat = FileFormat.CSV,
) -> Response:
    """Export the timeline of a payment as a file."""
    payment = query.parameters.payment
    scope = context.user.scope.narrowed_to_company(query.parameters.company)
    with context.transaction() as tx:
        events = timeline_rows(tx, scope, payment)
    return send_records(context, TIMELINE, form, timeline_records(events), payment)


class ListPage(NamedTuple):
    """The list from which the user came, with its filter in the address."""

    address: str
    label: str


def list_page(referring: str | None) -> ListPage:
    """Return the list to which the page links back: the list from which the user came, or the Claims Feed."""
    address = referring or _FEED_PAGE
    path = urlsplit(address).path
    is_list = path in navigation.addresses() and path not in {"/", "/timeline"}
    return (
        ListPage(address, navigation.label_of(path))
        if is_list
        else ListPage(_FEED_PAGE, navigation.label_of(_FEED_PAGE))
    )


def timeline_rows(tx: Transaction, scope: Scope, key: str) -> list[TimelineRow]:
    """Return the timeline of a payment. Raises PageError (404) if the payment is not in the scope."""
    rows = list(reporting.timeline(tx, key, scope))
    if not rows:
        step = "Enter the key as clinic/payment/line; the Claims Feed shows it."
        raise PageError(404, f"There is no payment {key}.", step)
    return rows
