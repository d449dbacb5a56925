"""Billing Exceptions: the differences between Billing and the EMR that a biller accepts or acknowledges."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Form, Response
from pydantic import Field

from console.reports.exceptions import EXCEPTIONS, ExceptionsParameters
from console.web.auth import Editor, Viewer
from console.web.context import RequestContext
from console.web.errors import PageError, capitalized
from console.web.filters import Day, ReportQuery, RowId, report_query, row_cursor
from console.web.forms import ReturnForm
from console.web.pages.choices import list_offered_ids
from payments.access.rights import Right
from payments.core.finding import FindingReason
from payments.journeys import adjusting, reporting
from payments.journeys.adjusting import Accepted, AdjustmentError, SeenException
from payments.store.db.connection import Transaction

_NEXT_STEPS = {
    FindingReason.PATIENT_NOT_FOUND.value: "Save the patient in the EMR.",
    FindingReason.VERSION_CONFLICT.value: "Save the payment again in the EMR.",
}

router = APIRouter(include_in_schema=False)

PAGE_ROWS = 25
_PROBLEMS_SHOWN = 3
log = structlog.get_logger()

_SEEN_FORM = r"^[1-9][0-9]{0,17}\.[1-9][0-9]{0,17}$"


class _AcceptForm(ReturnForm):
    version: RowId
    deposit_date: Day | None = None


class _AcknowledgeForm(ReturnForm):
    version: RowId
    reason: Annotated[str, Field(max_length=500)] = ""


class _BulkAcceptForm(ReturnForm):
    """The selected exceptions, each as its id and the version that was shown: `17.2`."""

    exception: list[Annotated[str, Field(pattern=_SEEN_FORM)]] = Field(default_factory=list)
    deposit_date: Day | None = None

    def selected(self) -> list[SeenException]:
        """Return the selected exceptions."""
        pairs = [text.split(".") for text in self.exception]
        return [SeenException(finding_id=int(id_), version=int(version)) for id_, version in pairs]


@router.get("/exceptions")
def show(
    query: Annotated[ReportQuery[ExceptionsParameters], Depends(report_query(ExceptionsParameters))], context: Viewer
) -> Response:
    """Show a page of exceptions, the oldest first."""
    chosen = query.parameters
    exception_filter = chosen.query(context.scope_of(query.choice))
    with context.snapshot_transaction() as tx:
        page = reporting.exceptions_page(tx, exception_filter, row_cursor(query.after), PAGE_ROWS)
        counts = reporting.exception_counts(tx, exception_filter)
        deposit_dates = adjusting.default_deposit_dates(tx, {row.company for row in page.rows}, context.now)
        offered = list_offered_ids(tx, context)
        context.audit(tx, "viewed Billing Exceptions", chosen.patient or "", context.request.url.query)
    return context.page(
        "exceptions.html",
        report=EXCEPTIONS,
        chosen=chosen,
        is_first=query.after is None,
        rows=page.rows,
        counts=counts,
        total=sum(each.count for each in counts),
        next_page=context.link(after=page.rows[-1].id) if page.has_more else None,
        offered=offered,
        may_edit=context.may(Right.EDIT) and chosen.as_of is None,
        accepts={reason.value for reason in FindingReason if reason.can_be_accepted},
        next_steps=_NEXT_STEPS,
        deposit_dates=deposit_dates,
    )


@router.post("/exceptions/{exception_id}/accept")
def accept(exception_id: RowId, form: Annotated[_AcceptForm, Form()], context: Editor) -> Response:
    """Accept one exception: post the entries that the page showed."""
    seen = SeenException(finding_id=exception_id, version=form.version)
    accepted = accept_if_unchanged(context, seen, form.deposit_date)
    return context.redirect(form.return_to("/exceptions"), _result(exception_id, accepted))


@router.post("/exceptions/{exception_id}/acknowledge")
def acknowledge(exception_id: RowId, form: Annotated[_AcknowledgeForm, Form()], context: Editor) -> Response:
    """Acknowledge one exception: close it without posting anything."""
    seen = SeenException(finding_id=exception_id, version=form.version)
    payment = acknowledge_if_unchanged(context, seen, form.reason)
    message = f"Exception {exception_id} of {payment} acknowledged. Nothing was posted."
    return context.redirect(form.return_to("/exceptions"), message)


@router.post("/exceptions/accept")
def accept_selected(form: Annotated[_BulkAcceptForm, Form()], context: Editor) -> Response:
    """Accept the selected exceptions, each in a separate transaction. Exceptions that have changed stay open.

    Raises PageError (503), with the results so far, if an unexpected error interrupts the request.
    """
    selected = form.selected()
    if not selected:
        raise PageError(422, "No exceptions are selected.", "Go back and select the exceptions to accept.")
    results = BulkResults(len(selected))
    for seen in selected:
        try:
            accept_if_unchanged(context, seen, form.deposit_date)
        except (AdjustmentError, PageError) as error:
            results.problems[seen.finding_id] = capitalized(f"{error}".removesuffix(".") + ".")
        except Exception as error:
            results.interrupted_at = seen.finding_id
            results.untried = [each.finding_id for each in selected[results.tried :]]
            log.exception("bulk_accept_interrupted", finding_id=seen.finding_id)
            raise PageError(
                503, results.sentence(), "Reload Billing Exceptions and check before you repeat."
            ) from error
        else:
            results.accepted.append(seen.finding_id)
    return context.redirect(form.return_to("/exceptions"), results.sentence())


@dataclass
class BulkResults:
    """The result of each selected exception, by id. Each exception was accepted in a separate transaction."""

    count: int
    accepted: list[int] = field(default_factory=list)
    problems: dict[int, str] = field(default_factory=dict)
    interrupted_at: int | None = None
    untried: Sequence[int] = ()

    @property
    def tried(self) -> int:
        """The number of exceptions that were tried, including one whose error interrupted the request."""
        return len(self.accepted) + len(self.problems) + (self.interrupted_at is not None)

    def sentence(self) -> str:
        """Return the message for the user: the results, and the reasons why the first few exceptions stay open."""
        noun = "exception" if self.count == 1 else "exceptions"
        parts = [f"{len(self.accepted)} of {self.count} {noun} accepted{_id_list(': ', self.accepted)}."]
        parts += [*self.problems.values()][:_PROBLEMS_SHOWN]
        if hidden := [*self.problems][_PROBLEMS_SHOWN:]:
            parts.append(f"Also not accepted{_id_list(': ', hidden)}.")
        if self.interrupted_at is not None:
            parts.append(f"An error interrupted exception {self.interrupted_at}; it may have been accepted.")
        if self.untried:
            parts.append(f"Not tried{_id_list(': ', self.untried)}.")
        return " ".join(parts)


def _id_list(before: str, ids: Sequence[int]) -> str:
    return before + ", ".join(map(str, ids)) if ids else ""


def accept_if_unchanged(context: RequestContext, seen: SeenException, deposit_date: date | None) -> Accepted:
    """Accept an exception in a separate transaction, unless the payment has changed since the user saw the exception.

    Raises PageError (404) if the user may not see the exception. Raises AdjustmentError if the payment has changed or
    the exception cannot be accepted.
    """
    with context.transaction() as tx:
        row = _visible_exception(tx, context, seen)
        accepted = adjusting.accept_if_unchanged(tx, seen, deposit_date, context.now, context.user.signature)
        accepted = accepted._replace(payment=row.payment)
        context.audit(tx, "accepted exception", row.payment, _result(seen.finding_id, accepted), row.company)
    return accepted


def acknowledge_if_unchanged(context: RequestContext, seen: SeenException, reason: str) -> str:
    """Acknowledge an exception, and return the printed key of its payment.

    Raises the errors of `accept_if_unchanged`.
    """
    with context.transaction() as tx:
        row = _visible_exception(tx, context, seen)
        adjusting.acknowledge_if_unchanged(tx, seen, reason, context.now, context.user.signature)
        context.audit(tx, "acknowledged exception", row.payment, reason, row.company)
    return row.payment


def _result(exception_id: int, accepted: Accepted) -> str:
    """Return the message for an accepted exception."""
    subject = f"Exception {exception_id} of {accepted.payment}"
    if accepted.was_accepted_before:
        return f"{subject} was accepted before; nothing was posted."
    if not accepted.postings:
        return f"{subject} accepted; there was nothing to post."
    entries = ", ".join(f"{each.amount} {each.dimensions.method}" for each in accepted.postings)
    return f"{subject}: posted {entries} with deposit date {accepted.postings[0].dimensions.deposit_date}."


def _visible_exception(tx: Transaction, context: RequestContext, seen: SeenException) -> reporting.ExceptionRow:
    """Return an exception. Raises PageError (404) if it does not exist or the user may not see it."""
    row = reporting.exception(tx, seen.finding_id, context.user.scope)
    if row is None:
        raise PageError(404, f"There is no exception {seen.finding_id}.", "Reload Billing Exceptions.")
    return row
