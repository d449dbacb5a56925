"""Actions of users on Billing Exceptions. Each action includes its audit entry.

Pages, the API and commands decide and assign exceptions only through this module, so no action is missing in the audit
history.
"""

from datetime import date

from console.actor import Actor
from payments import exception_wording as wording
from payments.access.rights import User
from payments.journeys import adjusting, assigning, undoing
from payments.journeys.adjusting import AcceptanceResult, SeenException
from payments.journeys.assigning import Assignment
from payments.journeys.reporting import ExceptionFilter, ExceptionRow
from payments.journeys.undoing import UndoRequest, UndoResult
from payments.store.db.connection import Transaction


def accept(
    tx: Transaction, actor: Actor, row: ExceptionRow, deposit_date: date | None, seen: SeenException | None = None
) -> AcceptanceResult:
    """Accept an exception. If `seen` is given, the payment must be unchanged since the user saw the exception.

    Raises the DecisionError of `adjusting.accept`.
    """
    if seen is None:
        accepted = adjusting.accept(tx, row.id, deposit_date, actor.now, actor.name)
    else:
        accepted = adjusting.accept_if_unchanged(tx, seen, deposit_date, actor.now, actor.name)
    accepted = accepted._replace(payment=row.payment)
    detail = wording.sentence(row.id, row.payment, wording.acceptance_result(accepted))
    _record(tx, actor, "accepted exception", row, detail)
    return accepted


def acknowledge(
    tx: Transaction, actor: Actor, row: ExceptionRow, reason: str, seen: SeenException | None = None
) -> None:
    """Acknowledge an exception. If `seen` is given, the payment must be unchanged since the user saw the exception.

    Raises the DecisionError of `adjusting.acknowledge`.
    """
    if seen is None:
        adjusting.acknowledge(tx, row.id, reason, actor.now, actor.name)
    else:
        adjusting.acknowledge_if_unchanged(tx, seen, reason, actor.now, actor.name)
    _record(tx, actor, "acknowledged exception", row, reason)


def undo(tx: Transaction, actor: Actor, row: ExceptionRow, request: UndoRequest) -> UndoResult:
    """Undo the decision on an exception, and return the reversing entries.

    Raises DecisionError if its decision cannot be undone.
    """
    undone = undoing.undo(tx, request, actor.now, actor.name)._replace(payment=row.payment)
    done = wording.sentence(row.id, row.payment, wording.undo_result(undone))
    _record(tx, actor, "undid exception", row, f"{done} Reason: {request.reason.strip()}")
    return undone


def assign(tx: Transaction, actor: Actor, row: ExceptionRow, assignment: Assignment) -> None:
    """Change the owner of an exception. Raises DecisionError if the assignment is not possible."""
    assigning.assign(tx, assignment, actor.now, actor.name)
    _record(tx, actor, "assigned exception", row, f"to {assignment.owner or 'nobody'}")


def claim_next(tx: Transaction, actor: Actor, exception_filter: ExceptionFilter, owner: User) -> ExceptionRow | None:
    """Choose the oldest open exception that matches the filter and has no owner. Assign it to `owner`, and return it.

    Returns None if there is no such exception.
    """
    row = assigning.claim_next(tx, exception_filter, owner, actor.now, actor.name)
    if row is not None:
        _record(tx, actor, "assigned exception", row, f"to {owner.name}")
    return row


def _record(tx: Transaction, actor: Actor, action: str, row: ExceptionRow, detail: str) -> None:
    actor.record(tx, action, row.payment, detail, row.company)
