"""The same for programs: reports, requeue, accept, and whether a save would flow; JSON, with the same rights."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from console import layouts
from console.filters import Day, FeedFilter, Filter, LogFilter, Period, Text, WorkFilter, written_place
from console.output import Record, plain
from console.pages.balancing import balance_query
from console.pages.claims_feed import requeue_keys
from console.pages.exceptions import accept_shown, acknowledge_shown
from console.pages.months import check_unlimited
from console.pages.timeline import life
from console.visiting import Editor, PageError, Requeuer, Viewer
from payments.core.event import ChargeType
from payments.journeys import balancing, browsing, closing, distributing, foreseeing
from payments.journeys.adjusting import Shown

router = APIRouter(prefix="/api")

ROWS_MAX = 1000
Limit = Annotated[int, Field(ge=1, le=ROWS_MAX)]
RowNumber = Annotated[int, Field(ge=1, le=2**62)]


class _FeedChoice(FeedFilter):
    limit: Limit = 100


class _WorkChoice(WorkFilter):
    limit: Limit = 100


class _LogChoice(LogFilter):
    limit: Limit = 100


class _Save(Filter):
    clinic: Text
    charge_type: ChargeType
    date: Day


class Requeue(BaseModel):
    """Payments by their keys, clinic/payment/line."""

    payments: Annotated[list[Text], Field(min_length=1, max_length=ROWS_MAX)]


class Accept(BaseModel):
    """An exception as it was read: the version of the payment, and a deposit date where it is not to be today."""

    version: RowNumber
    deposit_date: Day | None = None


class Acknowledge(BaseModel):
    """An exception as it was read, and why nothing is to be posted."""

    version: RowNumber
    reason: Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00]*$")]


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request, _: Viewer) -> dict[str, Any]:
    """Return what this API offers."""
    described: dict[str, Any] = request.app.openapi()
    return described


@router.get("/would-flow")
def would_flow(choice: Annotated[_Save, Query()], visit: Viewer) -> Response:
    """Say, before the front desk saves, whether a paid line of this clinic, type and date would flow to Billing."""
    if not visit.user.sees(choice.clinic):
        raise PageError(403, f"Your account does not include clinic {choice.clinic}.", "Choose one of your own.")
    with visit.site.ledger() as tx:
        seen = foreseeing.would_flow(tx, choice.clinic, choice.charge_type, choice.date, visit.now)
    return JSONResponse({"flows": seen.flows} | asdict(seen))


@router.get("/claims-feed")
def claims_feed(choice: Annotated[_FeedChoice, Query()], visit: Viewer) -> Response:
    """Return a page of the Claims Feed, newest save first; `next` is the `after` of the page that follows."""
    with visit.site.ledger() as tx:
        page = browsing.feed_page(tx, choice.wanted(visit.user), choice.place(), choice.limit)
        visit.note(tx, "viewed Claims Feed", choice.find or "", f"API {visit.request.url.query}")
    following = written_place(page.rows[-1].place) if page.has_more else None
    return _rows([each.row._asdict() for each in page.rows], layouts.FEED.keys, following)


@router.get("/exceptions")
def exceptions(choice: Annotated[_WorkChoice, Query()], visit: Viewer) -> Response:
    """Return a page of Billing Exceptions, the oldest first."""
    with visit.site.ledger() as tx:
        page = browsing.exceptions(tx, choice.query(visit.user), choice.after, choice.limit).page
        visit.note(tx, "viewed Billing Exceptions", choice.patient or "", f"API {visit.request.url.query}")
    rows = [asdict(row) for row in page.rows]
    return _rows(rows, list(rows[0]) if rows else (), page.rows[-1].id if page.has_more else None)


@router.post("/exceptions/{number}/accept")
def accept(number: RowNumber, wish: Accept, visit: Editor) -> Response:
    """Post what an exception proposes, if the payment is still at the version that was read."""
    done = accept_shown(visit, Shown(number, wish.version), wish.deposit_date)
    posted = [
        {"amount": f"{each.amount:.2f}", "method": each.bearing.method, "charge_type": each.bearing.charge_type}
        | {"deposit_date": each.bearing.deposit_date.isoformat()}
        for each in done.postings
    ]
    return JSONResponse({"payment": done.payment, "posted": posted, "before": done.before})


@router.post("/exceptions/{number}/acknowledge")
def acknowledge(number: RowNumber, wish: Acknowledge, visit: Editor) -> Response:
    """End an exception without posting anything."""
    payment = acknowledge_shown(visit, Shown(number, wish.version), wish.reason)
    return JSONResponse({"payment": payment})


@router.post("/requeue")
def requeue(wish: Requeue, visit: Requeuer) -> Response:
    """Have payments judged again by the settings of now; those that need nothing are passed over."""
    done = requeue_keys(visit, list(wish.payments))
    return JSONResponse({"count": done.count, "passed_over": list(done.passed_over)})


@router.get("/payment-log")
def payment_log(choice: Annotated[_LogChoice, Query()], visit: Viewer) -> Response:
    """Return a page of the Patient Payment Log, newest deposit first, or its sums where `group_by` is given."""
    query = choice.query(visit.user)
    with visit.site.ledger() as tx:
        visit.note(tx, "viewed Patient Payment Log", choice.patient or "", f"API {visit.request.url.query}")
        if choice.group_by:
            group = choice.group_by.value
            sums = browsing.log_sums(tx, query, choice.group_by)
            summed: list[Record] = [{group: each.key, "count": each.count, "total": each.total} for each in sums]
            return _rows(summed, (group, "count", "total"), None)
        page = browsing.log_page(tx, query, choice.place(), choice.limit)
    last = page.rows[-1] if page.has_more else None
    following = f"{last[1].deposit_date}.{last[0]}" if last else None
    return _rows([row._asdict() for _, row in page.rows], layouts.LOG.keys, following)


@router.get("/account")
def account(patient: Annotated[Text, Query()], visit: Viewer) -> Response:
    """Return a patient's account: all payments, what of them is unassigned, and what is still owed."""
    with visit.site.ledger() as tx:
        rows = distributing.show_account(tx, patient, visit.user.clinics)
        visit.note(tx, "viewed account", patient, "API")
    if not rows:
        raise PageError(404, f"No patient is known as {patient}.")
    return _rows([asdict(row) for row in rows], list(asdict(rows[0])), None)


@router.get("/balancing")
def balance(choice: Annotated[Period, Query()], visit: Viewer) -> Response:
    """Balance the EMR against Billing: both totals, each term between them, and what nothing explains."""
    query = balance_query(choice, visit)
    with visit.site.ledger() as tx:
        found = balancing.balance(tx, query)
        visit.note(tx, "viewed Payment Balancing", query.clinic_id or "", "API")
    sums = {"emr_total": found.emr_total, "billing_total": found.billing_total}
    sums |= {term.value: amount for term, amount in found.terms.items()} | {"unexplained": found.unexplained}
    strange = [line.payment for line in found.unexplained_lines]
    return JSONResponse({name: f"{amount:.2f}" for name, amount in sums.items()} | {"unexplained_payments": strange})


@router.get("/months")
def months(company: Annotated[Text, Query()], visit: Viewer) -> Response:
    """Return a company's months and their states."""
    check_unlimited(visit)
    with visit.site.ledger() as tx:
        rows = [asdict(row) for row in closing.list_months(tx, company)]
    return _rows(rows, list(rows[0]) if rows else (), None)


@router.get("/timeline")
def timeline(payment: Annotated[Text, Query()], visit: Viewer) -> Response:
    """Return everything that happened to one payment."""
    with visit.site.ledger() as tx:
        rows = [row._asdict() for row in life(tx, visit, payment)]
        visit.note(tx, "viewed timeline", payment, "API")
    return _rows(rows, list(rows[0]), None)


def _rows(records: Iterable[Record], keys: Sequence[str], following: object) -> Response:
    rows = [{key: plain(record[key]) for key in keys} for record in records]
    return JSONResponse({"rows": rows, "next": following})
