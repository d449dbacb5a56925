"""What became of one version of a payment: how far it was transmitted, and what Billing did with it."""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from payments.contract.money import ZERO, Money


class Status(StrEnum):
    """The transmission of a payment as the Claims Feed shows it."""

    PENDING = "Transmission Pending"
    SUCCESSFUL = "Transmission Successful"
    VALIDATION_FAILED = "Validation Failed"
    NOT_SENT = "Not Sent"


class Reason(StrEnum):
    """Why a payment is Not Sent or failed validation. `docs/reference/not-sent-reasons.md` explains each reason."""

    TYPE_NOT_SELECTED = "type_not_selected"
    INTEGRATION_OFF = "integration_off"
    INTERNAL_PAYMENT = "internal_payment"
    RETRIES_EXHAUSTED = "retries_exhausted"
    PATIENT_NOT_FOUND = "patient_not_found"
    INVALID_EVENT = "invalid_event"
    VERSION_CONFLICT = "version_conflict"

    @property
    def sentence(self) -> str:
        """The reason as staff read it."""
        return _SENTENCES[self]


_SENTENCES = {
    Reason.TYPE_NOT_SELECTED: "This charge type is not selected in the clinic's settings.",
    Reason.INTEGRATION_OFF: "The clinic does not send patient payments to Billing.",
    Reason.INTERNAL_PAYMENT: "An Internal Payment stays in the EMR.",
    Reason.RETRIES_EXHAUSTED: "Billing could not take the payment in any of its tries.",
    Reason.PATIENT_NOT_FOUND: "The patient is not known to Billing.",
    Reason.INVALID_EVENT: "The EMR sent something that cannot be read as a payment.",
    Reason.VERSION_CONFLICT: "The EMR sent other content under a version that Billing holds already.",
}


class Application(StrEnum):
    """What Billing did with a payment once it was transmitted."""

    IMPORTED = "imported"
    UPDATED = "updated"
    REMOVED = "removed"
    EXCEPTION = "exception"
    HELD = "held"
    NONE = "none"


class Outcome(NamedTuple):
    """The result of judging one version of a line.

    `target` is what should stand in Billing, in dollars, or None where that is not decided; `due_at` is when to judge
    again, and `waits` how many times that has been put off. A line that was never to be sent has no `status`, and so
    no row on the feed.
    """

    application: Application
    status: Status | None = Status.SUCCESSFUL
    reason: Reason | None = None
    target: Money | None = ZERO
    due_at: datetime | None = None
    waits: int = 0
    detail: str = ""


def not_sent(reason: Reason, target: Money | None = ZERO) -> Outcome:
    """Return the outcome of a payment that stays out of Billing for this reason."""
    return Outcome(Application.NONE, Status.NOT_SENT, reason, target, detail=reason.sentence)


def held(due_at: datetime, waits: int, detail: str) -> Outcome:
    """Return the outcome of a payment that waits and is judged again at `due_at`."""
    return Outcome(Application.HELD, Status.PENDING, None, None, due_at, waits, detail)
