"""Convert an outcome to and from the columns of `lines` that hold it."""

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

ACCEPTED, ZERO_DUE = "accepted", "zero_due"
_HOLD_CAUSE_BY_CODE = {cause.value: cause for cause in HoldCause if cause is not HoldCause.ERROR}
_CASE_BY_CODE = {case.value: case for case in ClosedCase}
_REASON_CODES = {reason.value for reason in Reason}

# Rows that were written before migration 0014, or by an old process, hold these sentences.
_CODE_BY_SENTENCE = {
    "The patient is not known to Billing.": HoldCause.PATIENT_NOT_FOUND.value,
    "The month is being closed.": HoldCause.MONTH_CLOSING.value,
    "Requeued": HoldCause.REQUEUED.value,
    "Accepted": ACCEPTED,
    "Payment added when month is closed": ClosedCase.ADDED.value,
    "Payment edited when month is closed": ClosedCase.EDITED.value,
    "Payment deleted when month is closed": ClosedCase.DELETED.value,
    "This charge type is not selected in the clinic's settings.": Reason.TYPE_NOT_SELECTED.value,
    "The clinic does not send patient payments to Billing.": Reason.INTEGRATION_OFF.value,
    "An Internal Payment stays in the EMR.": Reason.INTERNAL_PAYMENT.value,
    "Billing could not take the payment in any of its tries.": Reason.RETRIES_EXHAUSTED.value,
}


class OutcomeColumns(NamedTuple):
    """The columns of `lines` that hold an outcome. `target` is the amount in dollars that Billing should hold."""

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
    """Return the value of `lines.detail` for an outcome: a code, the text of a technical error, or an empty text.

    It is empty if the application alone describes the outcome.
    """
    detail = ""
    match outcome:
        case Posted():  # first, as it is by far the most frequent
            detail = ACCEPTED if outcome.is_accepted else ""
        case Removed(is_accepted=True):
            detail = ACCEPTED
        case Held():
            detail = outcome.error or outcome.cause.value
        case NotSent():
            detail = outcome.error or outcome.reason.value
        case Removed(Reason() as reason):
            detail = reason.value
        case ClosedMonth():
            detail = outcome.case.value
        case ZeroDue():
            detail = ZERO_DUE
    return detail


def from_columns(columns: OutcomeColumns) -> Outcome:
    """Return the outcome that the columns hold."""
    reason = Reason(columns.reason) if columns.reason else None
    detail = _CODE_BY_SENTENCE.get(columns.detail, columns.detail)
    is_accepted = detail == ACCEPTED
    match Application(columns.application):
        case Application.IMPORTED | Application.UPDATED as application:
            is_update = application is Application.UPDATED
            return Posted(columns.target or ZERO, is_update=is_update, is_accepted=is_accepted)
        case Application.REMOVED:
            return Removed(reason, is_accepted=is_accepted)
        case Application.EXCEPTION:
            return _exception_outcome(columns.target, detail, reason)
        case Application.HELD:
            cause = _HOLD_CAUSE_BY_CODE.get(detail, HoldCause.ERROR)
            return Held(columns.due_at, columns.waits, cause, detail if cause is HoldCause.ERROR else "")
        case Application.NONE if reason:
            return NotSent(reason, "" if detail in _REASON_CODES else detail)
        case Application.NONE:
            return NothingToPost() if columns.status == Status.SUCCESSFUL else NeverSent()


def _exception_outcome(target: Money | None, detail: str, reason: Reason | None) -> Outcome:
    if target is None:
        return ZeroDue()
    return ClosedMonth(_CASE_BY_CODE.get(detail, ClosedCase.EDITED if target else ClosedCase.DELETED), target, reason)


def outcome_of(row: Any) -> Outcome:
    """Return the outcome of a row of `lines`."""
    return from_columns(OutcomeColumns(**{name: row[name] for name in OutcomeColumns._fields}))
