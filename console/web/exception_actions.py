"""Actions of users on Billing Exceptions, for pages and the API.

Each is one transaction that includes its audit entry.
"""

from collections.abc import Sequence
from datetime import date

from console.web.context import RequestContext
from console.web.errors import PageError
from console.web.formats import format_dollars
from console.web.origins import client_address
from payments.core.line import LedgerPosting
from payments.journeys import adjusting, assigning, noting, reporting, undoing
from payments.journeys.adjusting import AcceptanceResult, SeenException
from payments.journeys.assigning import Assignment
from payments.journeys.noting import NewNote, Note
from payments.journeys.reporting import ExceptionFilter, ExceptionRow
from payments.journeys.undoing import UndoRequest, UndoResult
from payments.store.db.connection import Transaction


def accept_if_unchanged(context: RequestContext, seen: SeenException, deposit_date: date | None) -> AcceptanceResult:
    """Accept an exception if the payment has not changed since the user saw the exception.

    Raises PageError (404) if the user may not see the exception. Raises DecisionError if the payment has changed or the
    exception cannot be accepted.
    """
    with context.transaction() as tx:
        row = visible_exception(tx, context, seen.finding_id)
        accepted = adjusting.accept_if_unchanged(tx, seen, deposit_date, context.now, context.user.audit_name)
        accepted = accepted._replace(payment=row.payment)
        detail = message(seen.finding_id, row.payment, accepted_result(accepted))
        context.audit(tx, "accepted exception", row.payment, detail, row.company)
    return accepted


def acknowledge_if_unchanged(context: RequestContext, seen: SeenException, reason: str) -> str:
    """Acknowledge an exception, and return the printed key of its payment.

    Raises the same errors as `accept_if_unchanged`.
    """
    with context.transaction() as tx:
        row = visible_exception(tx, context, seen.finding_id)
        adjusting.acknowledge_if_unchanged(tx, seen, reason, context.now, context.user.audit_name)
        context.audit(tx, "acknowledged exception", row.payment, reason, row.company)
    return row.payment


def undo(context: RequestContext, request: UndoRequest) -> UndoResult:
    """Undo the decision on an exception, and return the reversing entries.

    Raises PageError (404) if the user may not see the exception, and DecisionError if its decision cannot be undone.
    """
    with context.transaction() as tx:
        row = visible_exception(tx, context, request.finding_id)
        undone = undoing.undo(tx, request, context.now, context.user.audit_name)._replace(payment=row.payment)
        sentence = message(request.finding_id, row.payment, undone_result(undone))
        context.audit(tx, "undid exception", row.payment, f"{sentence} Reason: {request.reason.strip()}", row.company)
    return undone


def assign(context: RequestContext, assignment: Assignment) -> ExceptionRow:
    """Change the owner of an exception. Return the exception as it was before.

    Raises PageError (404) if the user may not see the exception, and DecisionError if the assignment is not possible.
    """
    with context.transaction() as tx:
        row = visible_exception(tx, context, assignment.finding_id)
        assigning.assign(tx, assignment, context.now, context.user.audit_name)
        context.audit(tx, "assigned exception", row.payment, f"to {assignment.owner or 'nobody'}", row.company)
    return row


def claim_next(context: RequestContext, exception_filter: ExceptionFilter) -> ExceptionRow | None:
    """Assign the oldest exception without an owner that matches the filter to the user. Return the exception.

    Returns None if there is no such exception.
    """
    with context.transaction() as tx:
        row = assigning.claim_next(tx, exception_filter, context.user, context.now, context.user.audit_name)
        if row is not None:
            context.audit(tx, "assigned exception", row.payment, f"to {context.user.name}", row.company)
    return row


def add_note(context: RequestContext, finding_id: int, body: str) -> Note:
    """Add a note to an exception.

    Raises PageError (404) if the user may not see the exception, and NoteError if the text is not allowed.
    """
    with context.transaction() as tx:
        row = visible_exception(tx, context, finding_id)
        subject = noting.exception_subject(tx, finding_id, context.user.scope)
        assert subject is not None  # noqa: S101 (the user sees the exception)
        new = NewNote(subject, body, row.payment, client_address(context.request))
        return noting.add_note(tx, new, context.now, context.user.audit_name)


def visible_exception(tx: Transaction, context: RequestContext, finding_id: int) -> ExceptionRow:
    """Return an exception. Raises PageError (404) if it does not exist or the user may not see it."""
    row = reporting.exception(tx, finding_id, context.user.scope)
    if row is None:
        raise PageError(404, f"There is no exception {finding_id}.", "Reload Billing Exceptions.")
    return row


def message(finding_id: int, payment: str, result: str) -> str:
    """Return a message about an action on an exception. It names the exception and the payment."""
    return f"Exception {finding_id} of {payment} {result}."


def accepted_result(accepted: AcceptanceResult) -> str:
    """Return the part of the message that says what accepting an exception did."""
    if accepted.was_accepted_before:
        return "was accepted before; nothing was posted"
    if not accepted.postings:
        return "accepted; there was nothing to post"
    return f"accepted: {_posted_text(accepted.postings)}"


def assigned_result(owner: str | None) -> str:
    """Return the part of the message that says to whom an exception was assigned."""
    return f"assigned to {owner or 'nobody'}"


ACKNOWLEDGED_RESULT = "acknowledged; nothing was posted"
"""The part of the message that says what acknowledging an exception did."""


def undone_result(undone: UndoResult) -> str:
    """Return the part of the message that says what undoing a decision did."""
    if undone.was_undone_before:
        return "was undone before; nothing was changed"
    return f"is open again: {_posted_text(undone.postings)}" if undone.postings else "is open again"


def _posted_text(postings: Sequence[LedgerPosting]) -> str:
    entries = ", ".join(f"{format_dollars(each.amount)} {each.dimensions.method}" for each in postings)
    days = ", ".join(sorted({str(each.dimensions.deposit_date) for each in postings}))
    return f"posted {entries} with deposit date {days}"
