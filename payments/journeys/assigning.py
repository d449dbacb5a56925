"""Assign Billing Exceptions to users, and give each user the next exception of the queue (rule D6)."""

from datetime import datetime
from typing import NamedTuple

from payments.access import users
from payments.access.rights import Right, User
from payments.core.finding import DecisionError, FindingStatus
from payments.core.history import HistoryCode
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.connection import Transaction
from payments.store.ledger import company_moves, findings, history
from payments.store.ledger.history import HistoryEvent
from payments.store.reports import exception_queue
from payments.store.reports import exceptions as exception_report
from payments.store.reports.exceptions import ExceptionFilter, ExceptionRow

NO_OWNER = ""
"""The value of `Assignment.seen_owner` for an exception that had no owner."""


class Assignment(NamedTuple):
    """An exception and its new owner: the name of a user, or None for no owner.

    `seen_owner` is the owner that the caller saw, NO_OWNER if the exception had none. None skips the comparison.
    """

    finding_id: int
    owner: str | None
    seen_owner: str | None = None


def assign(tx: Transaction, assignment: Assignment, now: datetime, who: str) -> None:
    """Change the owner of an open exception. If the exception already has this owner, nothing changes.

    Locks the exception. Raises DecisionError if the exception does not exist or is not open, or if its owner has
    changed since the caller saw it. Also raises it if the company has moved to another installation, or if the new
    owner does not exist, is disabled, may not decide exceptions, or may not see this exception.
    """
    finding_id, owner, seen_owner = assignment
    found = findings.read_locked(tx, finding_id)
    row = exception_report.read_one(tx, finding_id, EVERYTHING)
    if found is None or row is None:
        raise DecisionError(finding_id, "there is no exception with this number")
    if found.status is not FindingStatus.OPEN:
        raise DecisionError(finding_id, f"it was already {found.status.words}")
    if found.owner == owner:
        return
    if seen_owner is not None and seen_owner != (found.owner or NO_OWNER):
        now_owned = f"it was assigned to {found.owner}" if found.owner else "its owner was removed"
        raise DecisionError(finding_id, f"{now_owned} meanwhile")
    if not company_moves.has_not_moved(tx, row.company):
        raise DecisionError(finding_id, f"company {row.company} has moved to another installation")
    if owner is not None:
        _check_owner(tx, owner, row)
    exception_queue.set_owner(tx, finding_id, owner, now)
    _record_history(tx, found.line_ref, row, owner, HistoryEvent(now, HistoryCode.EXCEPTION_ASSIGNED, who, row.company))


def claim_next(
    tx: Transaction, exception_filter: ExceptionFilter, owner: User, now: datetime, who: str
) -> ExceptionRow | None:
    """Assign the oldest matching open exception without an owner to a user.

    Return the exception, or None if there is none. Users who call this simultaneously get different exceptions.
    """
    finding_id = exception_queue.claim_next(tx, exception_filter, owner.name, now)
    if finding_id is None:
        return None
    row = exception_report.read_one(tx, finding_id, exception_filter.scope)
    (found,) = findings.load(tx, [finding_id]).values()
    if row is not None:
        event = HistoryEvent(now, HistoryCode.EXCEPTION_ASSIGNED, who, row.company)
        _record_history(tx, found.line_ref, row, owner.name, event)
    return row


def find_assignable_user(tx: Transaction, name: str) -> User | None:
    """Return the user with this name if the user may decide exceptions, otherwise None."""
    row = users.find(tx, name)
    return row.user if row and row.disabled_at is None and row.user.may(Right.EDIT) else None


def list_assignable_users(tx: Transaction, scope: Scope) -> list[User]:
    """Return the users who may decide exceptions and who see no company outside the scope, sorted by name."""
    return [
        row.user
        for row in users.list_all(tx)
        if row.disabled_at is None
        and row.user.may(Right.EDIT)
        and Scope(scope.companies).includes(Scope(row.user.scope.companies))
    ]


def _check_owner(tx: Transaction, name: str, row: ExceptionRow) -> None:
    user = find_assignable_user(tx, name)
    if user is None:
        raise DecisionError(row.id, f"there is no active user {name} who may decide exceptions")
    if not user.scope.may_see(row.company, row.clinic):
        raise DecisionError(row.id, f"user {name} may not see payments of clinic {row.clinic}")


def _record_history(tx: Transaction, line_ref: int, row: ExceptionRow, owner: str | None, event: HistoryEvent) -> None:
    event = event._replace(params={"owner": owner}, line_ref=line_ref, version=row.version, finding_ref=row.id)
    history.add(tx, [event])
