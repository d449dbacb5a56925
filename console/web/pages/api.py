"""The same for programs: reports, requeue, accept, and whether a save would flow; JSON, with the same rights."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import Field

from console.reports import layouts
from console.reports.output import Record, plain
from console.web.auth import Editor, Requeuer, Viewer
from console.web.context import RequestContext
from console.web.errors import PageError
from console.web.filters import Day, ExceptionChoice, FeedChoice, Filter, LogChoice, Period, Text, encode_cursor
from console.web.pages.balancing import balance_query
from console.web.pages.claims_feed import requeue_keys
from console.web.pages.exceptions import accept_if_unchanged, acknowledge_if_unchanged
from console.web.pages.months import check_sees_companies
from console.web.pages.timeline import timeline_rows
from console.web.schemas import (
    PROBLEMS,
    ROWS_MAX,
    Accept,
    Acknowledge,
    Acknowledged,
    Flow,
    Requeue,
    Requeued,
    RowNumber,
    Rows,
    Settled,
    gives,
)
from payments.access.rights import Right
from payments.contract.event import ChargeType
from payments.journeys import balancing, closing, distributing, eligibility_preview, reporting
from payments.journeys.adjusting import SeenException
from payments.store.db.connection import Transaction

router = APIRouter(prefix="/api", responses=PROBLEMS)

VIEW_ROWS_MAX = 100
"""What is more in one answer is an export, and needs that right."""
Limit = Annotated[int, Field(ge=1, le=ROWS_MAX)]


class _FeedPage(FeedChoice):
    limit: Limit = VIEW_ROWS_MAX


class _ExceptionPage(ExceptionChoice):
    limit: Limit = VIEW_ROWS_MAX


class _LogPage(LogChoice):
    limit: Limit = VIEW_ROWS_MAX


class _Save(Filter):
    clinic: Text
    charge_type: ChargeType
    date: Day


@router.get("/openapi.json", include_in_schema=False)
def openapi(request: Request, _: Viewer) -> dict[str, Any]:
    """Return what this API offers."""
    described: dict[str, Any] = request.app.openapi()
    described["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    described["security"] = [{"token": []}]
    return described


@router.get("/would-flow", responses=gives(Flow))
def would_flow(choice: Annotated[_Save, Query()], context: Viewer) -> Response:
    """Say, before the front desk saves, whether a paid line of this clinic, type and date would flow to Billing."""
    if not context.user.sees(choice.clinic):
        raise PageError(403, f"Your account does not include clinic {choice.clinic}.", "Choose one of your own.")
    with context.app.transaction() as tx:
        seen = eligibility_preview.would_flow(tx, choice.clinic, choice.charge_type, choice.date, context.now)
    return JSONResponse({"flows": seen.flows} | asdict(seen))


@router.get("/claims-feed", responses=gives(Rows))
def claims_feed(choice: Annotated[_FeedPage, Query()], context: Viewer) -> Response:
    """Return a page of the Claims Feed, newest save first; `next` is the `after` of the page that follows."""
    with context.app.transaction() as tx:
        page = reporting.claims_feed_page(tx, choice.wanted(context.user), choice.place(), choice.limit)
        _note(tx, context, "Claims Feed", choice.find, choice.limit)
    following = encode_cursor(page.rows[-1].cursor) if page.has_more else None
    return _rows([each.row._asdict() for each in page.rows], layouts.FEED.keys, following)


@router.get("/exceptions", responses=gives(Rows))
def exceptions(choice: Annotated[_ExceptionPage, Query()], context: Viewer) -> Response:
    """Return a page of Billing Exceptions, the oldest first."""
    with context.app.transaction() as tx:
        page = reporting.exceptions_page(tx, choice.query(context.user), choice.after, choice.limit)
        _note(tx, context, "Billing Exceptions", choice.patient, choice.limit)
    rows = [asdict(row) for row in page.rows]
    return _rows(rows, list(rows[0]) if rows else (), page.rows[-1].id if page.has_more else None)


@router.post("/exceptions/{number}/accept", responses=gives(Settled))
def accept(number: RowNumber, wish: Accept, context: Editor) -> Response:
    """Post what an exception proposes, if the payment is still at the version that was read."""
    done = accept_if_unchanged(context, SeenException(number, wish.version), wish.deposit_date)
    posted = [
        {"amount": f"{each.amount:.2f}", "method": each.dimensions.method, "charge_type": each.dimensions.charge_type}
        | {"deposit_date": each.dimensions.deposit_date.isoformat()}
        for each in done.postings
    ]
    return JSONResponse({"payment": done.payment, "posted": posted, "before": done.was_accepted_before})


@router.post("/exceptions/{number}/acknowledge", responses=gives(Acknowledged))
def acknowledge(number: RowNumber, wish: Acknowledge, context: Editor) -> Response:
    """End an exception without posting anything."""
    payment = acknowledge_if_unchanged(context, SeenException(number, wish.version), wish.reason)
    return JSONResponse({"payment": payment})


@router.post("/requeue", responses=gives(Requeued))
def requeue(wish: Requeue, context: Requeuer) -> Response:
    """Have payments judged again by the settings of now; those that need nothing are passed over."""
    done = requeue_keys(context, list(wish.payments))
    return JSONResponse({"count": done.count, "passed_over": list(done.passed_over)})


@router.get("/payment-log", responses=gives(Rows))
def payment_log(choice: Annotated[_LogPage, Query()], context: Viewer) -> Response:
    """Return a page of the Patient Payment Log, newest deposit first, or its sums where `group_by` is given."""
    query = choice.query(context.user)
    with context.app.transaction() as tx:
        _note(tx, context, "Patient Payment Log", choice.patient, choice.limit)
        if choice.group_by:
            group = choice.group_by.value
            sums = reporting.payment_log_sums(tx, query, choice.group_by)
            summed: list[Record] = [{group: each.key, "count": each.count, "total": each.total} for each in sums]
            return _rows(summed, (group, "count", "total"), None)
        page = reporting.payment_log_page(tx, query, choice.place(), choice.limit)
    last = page.rows[-1] if page.has_more else None
    following = f"{last.cursor.deposit_date}.{last.cursor.id}" if last else None
    return _rows([each.row._asdict() for each in page.rows], layouts.LOG.keys, following)


@router.get("/account", responses=gives(Rows))
def account(patient: Annotated[Text, Query()], context: Viewer) -> Response:
    """Return a patient's account: all payments, what of them is unassigned, and what is still owed."""
    with context.app.transaction() as tx:
        rows = distributing.show_account(tx, patient, context.user.clinics)
        context.audit(tx, "viewed account", patient, "API")
    if not rows:
        raise PageError(404, f"No patient is known as {patient}.")
    return _rows([asdict(row) for row in rows], list(asdict(rows[0])), None)


@router.get("/balancing")
def balance(choice: Annotated[Period, Query()], context: Viewer) -> Response:
    """Balance the EMR against Billing: both totals, each term between them, and what nothing explains."""
    query = balance_query(choice, context)
    with context.app.transaction() as tx:
        found = balancing.balance(tx, query)
        context.audit(tx, "viewed Payment Balancing", query.clinic_id or "", "API")
    sums = {"emr_total": found.emr_total, "billing_total": found.billing_total}
    sums |= {term.value: amount for term, amount in found.items.items()} | {"unexplained": found.unexplained}
    strange = [line.payment for line in found.unexplained_lines]
    return JSONResponse({name: f"{amount:.2f}" for name, amount in sums.items()} | {"unexplained_payments": strange})


@router.get("/months", responses=gives(Rows))
def months(company: Annotated[Text, Query()], context: Viewer) -> Response:
    """Return a company's months and their states."""
    check_sees_companies(context)
    with context.app.transaction() as tx:
        rows = [asdict(row) for row in closing.list_months(tx, company)]
    return _rows(rows, list(rows[0]) if rows else (), None)


@router.get("/timeline", responses=gives(Rows))
def timeline(payment: Annotated[Text, Query()], context: Viewer) -> Response:
    """Return everything that happened to one payment."""
    with context.app.transaction() as tx:
        rows = [row._asdict() for row in timeline_rows(tx, context, payment)]
        context.audit(tx, "viewed timeline", payment, "API")
    return _rows(rows, list(rows[0]), None)


def _note(tx: Transaction, context: RequestContext, report: str, subject: str | None, limit: int) -> None:
    """Write down that somebody looks at rows, or takes away more of them than one looks at, which needs the right."""
    if limit <= VIEW_ROWS_MAX:
        context.audit(tx, f"viewed {report}", subject or "", f"API {context.request.url.query}")
        return
    if not context.may(Right.EXPORT):
        raise PageError(
            403,
            f"More than {VIEW_ROWS_MAX} rows in one answer are an export; your role, {context.user.role}, does not "
            f"include the right to {Right.EXPORT.phrase}.",
            f"Ask for at most {VIEW_ROWS_MAX} rows at a time.",
        )
    context.audit(tx, f"exported {report}", subject or "", f"up to {limit:,} rows as JSON; {context.request.url.query}")


def _rows(records: Iterable[Record], keys: Sequence[str], following: object) -> Response:
    rows = [{key: plain(record[key]) for key in keys} for record in records]
    return JSONResponse({"rows": rows, "next": following})
