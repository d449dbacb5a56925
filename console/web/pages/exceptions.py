"""Billing Exceptions: what a closed month did not take, what Billing holds and the EMR says, and the biller's word."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Response

from console.web.auth import Editor, Viewer
from console.web.context import RequestContext
from console.web.errors import PageError
from console.web.filters import ExceptionChoice
from console.web.pages.choices import clinic_names
from console.web.pages.claims_feed import back_to
from payments.core.finding import FindingReason, FindingStatus
from payments.core.outcome import ClosedCase
from payments.journeys import adjusting, reporting
from payments.journeys.adjusting import Accepted, AdjustmentError, SeenException

router = APIRouter(include_in_schema=False)

PAGE_ROWS = 25


@router.get("/exceptions")
def show(choice: Annotated[ExceptionChoice, Query()], context: Viewer) -> Response:
    """Show a page of exceptions, the oldest first."""
    with context.app.snapshot_transaction() as tx:
        page = reporting.exceptions_page(tx, choice.query(context.user), choice.after, PAGE_ROWS)
        counts = reporting.exception_counts(tx, choice.query(context.user))
        names = clinic_names(tx, context)
        context.audit(tx, "viewed Billing Exceptions", choice.patient or "", context.request.url.query)
    return context.page(
        "exceptions.html",
        choice=choice,
        rows=page.rows,
        counts=counts,
        total=sum(each.count for each in counts),
        next_page=context.link(after=page.rows[-1].id) if page.has_more else None,
        clinics=names,
        reasons=list(FindingReason),
        cases=list(ClosedCase),
        statuses=list(FindingStatus),
        accepts={reason.value for reason in FindingReason if reason.can_be_accepted},
        today=context.today,
    )


@router.post("/exceptions/{number}/accept")
def accept(number: int, context: Editor) -> Response:
    """Post what one exception proposes, as it was shown."""
    shown, day = SeenException(number, _version(context, "version")), _day(context)
    done = accept_if_unchanged(context, shown, day)
    return context.redirect(back_to(context, "/exceptions"), told(number, done))


@router.post("/exceptions/{number}/acknowledge")
def acknowledge(number: int, context: Editor) -> Response:
    """End one exception without posting anything."""
    reason = str(context.form.get("reason", ""))[:500]
    payment = acknowledge_if_unchanged(context, SeenException(number, _version(context, "version")), reason)
    return context.redirect(
        back_to(context, "/exceptions"), f"Exception {number} of {payment} is acknowledged; nothing was posted."
    )


@router.post("/exceptions/accept")
def accept_ticked(context: Editor) -> Response:
    """Accept those that were ticked, each by itself; what has changed meanwhile stays."""
    ticked = [str(value).partition(".") for value in context.form.getlist("exception")]
    if not ticked:
        raise PageError(422, "No exception was ticked.", "Go back and tick the exceptions to accept.")
    day, problems = _day(context), []
    for number, _, version in ticked:
        try:
            accept_if_unchanged(context, SeenException(_number(number), _number(version)), day)
        except AdjustmentError as error:
            problems.append(str(error))
    said = f"{len(ticked) - len(problems)} of {len(ticked)} exceptions accepted."
    return context.redirect(back_to(context, "/exceptions"), " ".join([said, *problems[:3]]))


def accept_if_unchanged(context: RequestContext, shown: SeenException, day: date | None) -> Accepted:
    """Accept an exception that the visitor may see, in a transaction of its own."""
    with context.app.transaction() as tx:
        _check_seen(context, shown, reporting.exception(tx, shown.finding_id))
        done = adjusting.accept_if_unchanged(tx, shown, day, context.now, context.user.signature)
        context.audit(tx, "accepted exception", done.payment, told(shown.finding_id, done))
    return done


def acknowledge_if_unchanged(context: RequestContext, shown: SeenException, reason: str) -> str:
    """Acknowledge an exception that the visitor may see."""
    with context.app.transaction() as tx:
        _check_seen(context, shown, reporting.exception(tx, shown.finding_id))
        payment = adjusting.acknowledge_if_unchanged(tx, shown, reason, context.now, context.user.signature)
        context.audit(tx, "acknowledged exception", payment, reason)
    return payment


def told(number: int, done: Accepted) -> str:
    """Say what an accept came to."""
    if done.was_accepted_before:
        return f"Exception {number} of {done.payment} was accepted before; nothing was posted."
    if not done.postings:
        return f"Exception {number} of {done.payment} is settled; there was nothing to post."
    posted = ", ".join(f"{each.amount} {each.dimensions.method}" for each in done.postings)
    return (
        f"Exception {number} of {done.payment}: posted {posted}, deposited {done.postings[0].dimensions.deposit_date}."
    )


def _check_seen(context: RequestContext, shown: SeenException, row: reporting.ExceptionRow | None) -> None:
    if row is None or not context.user.sees(row.clinic):
        raise PageError(404, f"There is no exception {shown.finding_id}.", "Load the Billing Exceptions again.")


def _version(context: RequestContext, field: str) -> int:
    return _number(str(context.form.get(field, "")))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise PageError(422, "This form is not whole.", "Load the Billing Exceptions again.")
    return int(text)


def _day(context: RequestContext) -> date | None:
    text = str(context.form.get("deposit_date", "")).strip()
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise PageError(422, f"{text} is not a date.", "Write it as 2026-10-05.") from None
