"""Actions of users on Billing Exceptions, for pages and the API.

Each action is one transaction, which includes the audit entry of the action.
"""

from datetime import date

from console import exception_actions
from console.web.context import RequestContext
from console.web.errors import PageError
from console.web.origins import client_address
from payments.journeys import noting, reporting
from payments.journeys.adjusting import AcceptanceResult, SeenException
from payments.journeys.assigning import Assignment
from payments.journeys.noting import NewNote, Note
from payments.journeys.reporting import ExceptionFilter, ExceptionRow
from payments.journeys.undoing import UndoRequest, UndoResult
from payments.store.db.connection import Transaction


def accept_if_unchanged(context: RequestContext, seen: SeenException, deposit_date: date | None) -> AcceptanceResult:
    """Accept an exception if the payment has not changed since the user saw the exception.

    Raises PageError (404) if the user cannot see the exception. Raises DecisionError if the payment has changed or the
    exception cannot be accepted.
    """
    with context.transaction() as tx:
        row = visible_exception(tx, context, seen.finding_id)
        return exception_actions.accept(tx, context.actor, row, deposit_date, seen)


def acknowledge_if_unchanged(context: RequestContext, seen: SeenException, reason: str) -> str:
    """Acknowledge an exception if the payment has not changed since the user saw it. Return the printed payment key.

    Raises the same errors as `accept_if_unchanged`.
    """
    with context.transaction() as tx:
        row = visible_exception(tx, context, seen.finding_id)
        exception_actions.acknowledge(tx, context.actor, row, reason, seen)
    return row.payment


def undo(context: RequestContext, request: UndoRequest) -> UndoResult:
    """Undo the decision on an exception, and return the reversing entries.

    Raises PageError (404) if the user cannot see the exception, and DecisionError if its decision cannot be undone.
    """
    with context.transaction() as tx:
        row = visible_exception(tx, context, request.finding_id)
        return exception_actions.undo(tx, context.actor, row, request)


def assign(context: RequestContext, assignment: Assignment) -> ExceptionRow:
    """Change the owner of an exception. Return the exception as it was before.

    Raises PageError (404) if the user cannot see the exception, and DecisionError if the assignment is not possible.
    """
    with context.transaction() as tx:
        row = visible_exception(tx, context, assignment.finding_id)
        exception_actions.assign(tx, context.actor, row, assignment)
    return row


def claim_next(context: RequestContext, exception_filter: ExceptionFilter) -> ExceptionRow | None:
    """Choose the oldest open exception that matches the filter and has no owner. Assign it to the user, and return it.

    Returns None if there is no such exception.
    """
    with context.transaction() as tx:
        return exception_actions.claim_next(tx, context.actor, exception_filter, context.user)


def add_note(context: RequestContext, finding_id: int, body: str) -> Note:
    """Add a note to an exception.

    Raises PageError (404) if the user cannot see the exception, and NoteError if the text is not allowed.
    """
    with context.transaction() as tx:
        row = visible_exception(tx, context, finding_id)
        subject = noting.exception_subject(tx, finding_id, context.user.scope)
        assert subject is not None  # noqa: S101 (the user sees the exception)
        new = NewNote(subject, body, row.payment, client_address(context.request))
        return noting.add_note(tx, new, context.now, context.user.audit_name)


def visible_exception(tx: Transaction, context: RequestContext, finding_id: int) -> ExceptionRow:
    """Return an exception. Raises PageError (404) if it does not exist or the user cannot see it."""
    row = reporting.exception(tx, finding_id, context.user.scope)
    if row is None:
        raise PageError(404, f"There is no exception {finding_id}.", "Reload Billing Exceptions.")
    return row
