"""Billing Exceptions: what a closed month did not take, what Billing holds and the EMR says, and the biller's word."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query, Response

from console.web.filters import WorkFilter
from console.web.pages.choices import clinic_names
from console.web.pages.claims_feed import back_to
from console.web.visiting import Editor, PageError, Viewer, Visit
from payments.core.finding import ClosedCase, FindingReason, FindingStatus
from payments.journeys import adjusting, listing
from payments.journeys.adjusting import Accepted, AdjustmentError, SeenException

router = APIRouter(include_in_schema=False)

PAGE_ROWS = 25


@router.get("/exceptions")
def show(choice: Annotated[WorkFilter, Query()], visit: Viewer) -> Response:
    """Show a page of exceptions, the oldest first."""
    with visit.site.snapshot_transaction() as tx:
        work = listing.exceptions(tx, choice.query(visit.user), choice.after, PAGE_ROWS)
        names = clinic_names(tx, visit)
        visit.note(tx, "viewed Billing Exceptions", choice.patient or "", visit.request.url.query)
    return visit.page(
        "exceptions.html",
        choice=choice,
        work=work,
        total=sum(each.number for each in work.sums),
        next_page=visit.link(after=work.page.rows[-1].id) if work.page.has_more else None,
        clinics=names,
        reasons=list(FindingReason),
        cases=list(ClosedCase),
        statuses=list(FindingStatus),
        accepts={reason.value for reason in FindingReason if reason.can_be_accepted},
        today=visit.today,
    )


@router.post("/exceptions/{number}/accept")
def accept(number: int, visit: Editor) -> Response:
    """Post what one exception proposes, as it was shown."""
    shown, day = SeenException(number, _version(visit, "version")), _day(visit)
    done = accept_if_unchanged(visit, shown, day)
    return visit.go(back_to(visit, "/exceptions"), told(number, done))


@router.post("/exceptions/{number}/acknowledge")
def acknowledge(number: int, visit: Editor) -> Response:
    """End one exception without posting anything."""
    reason = str(visit.form.get("reason", ""))[:500]
    payment = acknowledge_if_unchanged(visit, SeenException(number, _version(visit, "version")), reason)
    return visit.go(
        back_to(visit, "/exceptions"), f"Exception {number} of {payment} is acknowledged; nothing was posted."
    )


@router.post("/exceptions/accept")
def accept_ticked(visit: Editor) -> Response:
    """Accept those that were ticked, each by itself; what has changed meanwhile stays."""
    ticked = [str(value).partition(".") for value in visit.form.getlist("exception")]
    if not ticked:
        raise PageError(422, "No exception was ticked.", "Go back and tick the exceptions to accept.")
    day, problems = _day(visit), []
    for number, _, version in ticked:
        try:
            accept_if_unchanged(visit, SeenException(_number(number), _number(version)), day)
        except AdjustmentError as error:
            problems.append(str(error))
    said = f"{len(ticked) - len(problems)} of {len(ticked)} exceptions accepted."
    return visit.go(back_to(visit, "/exceptions"), " ".join([said, *problems[:3]]))


def accept_if_unchanged(visit: Visit, shown: SeenException, day: date | None) -> Accepted:
    """Accept an exception that the visitor may see, in a transaction of its own."""
    with visit.site.ledger() as tx:
        _check_seen(visit, shown, listing.exception(tx, shown.finding_id))
        done = adjusting.accept_if_unchanged(tx, shown, day, visit.now, visit.user.signature)
        visit.note(tx, "accepted exception", done.payment, told(shown.finding_id, done))
    return done


def acknowledge_if_unchanged(visit: Visit, shown: SeenException, reason: str) -> str:
    """Acknowledge an exception that the visitor may see."""
    with visit.site.ledger() as tx:
        _check_seen(visit, shown, listing.exception(tx, shown.finding_id))
        payment = adjusting.acknowledge_if_unchanged(tx, shown, reason, visit.now, visit.user.signature)
        visit.note(tx, "acknowledged exception", payment, reason)
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


def _check_seen(visit: Visit, shown: SeenException, row: listing.FindingRow | None) -> None:
    if row is None or not visit.user.sees(row.clinic):
        raise PageError(404, f"There is no exception {shown.finding_id}.", "Load the Billing Exceptions again.")


def _version(visit: Visit, field: str) -> int:
    return _number(str(visit.form.get(field, "")))


def _number(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise PageError(422, "This form is not whole.", "Load the Billing Exceptions again.")
    return int(text)


def _day(visit: Visit) -> date | None:
    text = str(visit.form.get("deposit_date", "")).strip()
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise PageError(422, f"{text} is not a date.", "Write it as 2026-10-05.") from None
