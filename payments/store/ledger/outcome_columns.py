"""Conversion between an outcome and the columns of `lines` that hold it."""

from datetime import datetime
from typing import Any, NamedTuple

from payments.contract.money import ZERO, Money
from payments.core.outcome import (
    Application,
    ClosedCase,
    ClosedMonth,
    Held,
    HoldCause,
    NeverSent,
    NothingToPost,
    NotSent,
    Outcome,
    Posted,
    Reason,
    Removed,
    Status,
    ZeroDue,
)

_ZERO_DUE = "Amount Due is 0.00"
_ACCEPTED = "Accepted"
_CASE_DETAILS = {case: f"Payment {case} when month is closed" for case in ClosedCase}
_HOLD_DETAILS = {
    HoldCause.PATIENT_NOT_FOUND: Reason.PATIENT_NOT_FOUND.sentence,
    HoldCause.MONTH_CLOSING: "The month is being closed.",
    HoldCause.REQUEUED: "Requeued",
}
_CASES = {detail: case for case, detail in _CASE_DETAILS.items()}
_HOLD_CAUSES = {detail: cause for cause, detail in _HOLD_DETAILS.items()}


class OutcomeColumns(NamedTuple):
    """The columns of `lines` that hold an outcome. `target` is in dollars."""

    status: str | None
    reason: str | None
    application: str
    target: Money | None
    detail: str = ""
    waits: int = 0
    due_at: datetime | None = None


def to_columns(outcome: Outcome) -> OutcomeColumns:
    """Return the column values of an outcome."""
    waits, due_at = (outcome.retry_count, outcome.due_at) if isinstance(outcome, Held) else (0, None)
    return OutcomeColumns(
        outcome.status, outcome.reason, outcome.application, outcome.target, outcome_detail(outcome), waits, due_at
    )


def outcome_detail(outcome: Outcome) -> str:
    """Return the text of an outcome beyond its status and reason."""
    detail = ""
    match outcome:
        case Posted(is_accepted=True) | Removed(is_accepted=True):
            detail = _ACCEPTED
        case Held(cause=cause, error=error):
            detail = error or _HOLD_DETAILS.get(cause, "")
        case NotSent(reason, error):
            detail = error or reason.sentence
        case Removed(Reason() as reason):
            detail = reason.sentence
        case ClosedMonth(case):
            detail = _CASE_DETAILS[case]
        case ZeroDue():
            detail = _ZERO_DUE
    return detail


def from_columns(columns: OutcomeColumns) -> Outcome:
    """Return the outcome that the columns hold."""
    reason = Reason(columns.reason) if columns.reason else None
    is_accepted = columns.detail == _ACCEPTED
    match Application(columns.application):
        case Application.IMPORTED | Application.UPDATED as application:
            is_update = application is Application.UPDATED
            return Posted(columns.target or ZERO, is_update=is_update, is_accepted=is_accepted)
        case Application.REMOVED:
            return Removed(reason, is_accepted=is_accepted)
        case Application.EXCEPTION:
            return _exception(columns, reason)
        case Application.HELD:
            cause = _HOLD_CAUSES.get(columns.detail, HoldCause.ERROR)
            error = columns.detail if cause is HoldCause.ERROR else ""
            return Held(columns.due_at, columns.waits, cause, error)
        case Application.NONE if reason:
            return NotSent(reason, "" if columns.detail == reason.sentence else columns.detail)
        case Application.NONE:
            return NothingToPost() if columns.status == Status.SUCCESSFUL else NeverSent()


def _exception(columns: OutcomeColumns, reason: Reason | None) -> Outcome:
    if columns.target is None:
        return ZeroDue()
    case = _CASES.get(columns.detail, ClosedCase.EDITED if columns.target else ClosedCase.DELETED)
    return ClosedMonth(case, columns.target, reason)


def outcome_of(row: Any) -> Outcome:
    """Return the outcome of a row of `lines`."""
    return from_columns(OutcomeColumns(**{name: row[name] for name in OutcomeColumns._fields}))
