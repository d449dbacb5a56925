"""The outcome of one version of a payment: how far it was transmitted, and what Billing did with it (rule D5).

An outcome is a value of one of eight classes, which all have four attributes. `status` is the status on the Claims
Feed. `reason` is set if the payment is Not Sent. `application` says what Billing did with the payment. `target` is the
amount in dollars that Billing should hold for the line (T in rule D1), None while it is undecided.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from payments.contract.money import ZERO, Money


class Status(StrEnum):
    """The transmission status on the Claims Feed. Each value is the term that users see."""

    PENDING = "Transmission Pending"
    SUCCESSFUL = "Transmission Successful"
    VALIDATION_FAILED = "Validation Failed"
    NOT_SENT = "Not Sent"


class Reason(StrEnum):
    """The reason for Not Sent or Validation Failed. `docs/reference/not-sent-reasons.md` explains each reason."""

    TYPE_NOT_SELECTED = "type_not_selected"
    INTEGRATION_OFF = "integration_off"
    INTERNAL_PAYMENT = "internal_payment"
    RETRIES_EXHAUSTED = "retries_exhausted"
    PATIENT_NOT_FOUND = "patient_not_found"
    INVALID_EVENT = "invalid_event"
    VERSION_CONFLICT = "version_conflict"
    UNKNOWN_COMPANY = "unknown_company"
    UNKNOWN_CLINIC = "unknown_clinic"

    @property
    def status(self) -> Status:
        """The status of a payment with this reason."""
        is_invalid = self in {Reason.INVALID_EVENT, Reason.VERSION_CONFLICT}
        return Status.VALIDATION_FAILED if is_invalid else Status.NOT_SENT


# Reasons of lines whose retries ended before their target was decided.
_REASONS_WITHOUT_TARGET = frozenset({Reason.RETRIES_EXHAUSTED, Reason.PATIENT_NOT_FOUND})


class Application(StrEnum):
    """The effect of a payment on the ledger."""

    IMPORTED = "imported"
    UPDATED = "updated"
    REMOVED = "removed"
    EXCEPTION = "exception"
    HELD = "held"
    NONE = "none"


class HoldCause(StrEnum):
    """The cause of a hold."""

    PATIENT_NOT_FOUND = "patient_not_found"
    MONTH_CLOSING = "month_closing"
    REQUEUED = "requeued"
    ERROR = "error"


class ClosedCase(StrEnum):
    """The change that the EMR made to a payment of a closed month (rule D3)."""

    ADDED = "added"
    EDITED = "edited"
    DELETED = "deleted"


@dataclass(frozen=True, slots=True)
class Posted:
    """The EMR's amount is posted. `amount` is in dollars.

    `is_update` tells whether the line had entries before. `is_accepted` tells whether a biller posted the amount by
    accepting an exception.
    """

    status: ClassVar[Status] = Status.SUCCESSFUL
    reason: ClassVar[None] = None

    amount: Money
    is_update: bool = False
    is_accepted: bool = False

    @property
    def target(self) -> Money:
        """The amount that the ledger holds."""
        return self.amount

    @property
    def application(self) -> Application:
        """UPDATED if the line had entries before, otherwise IMPORTED."""
        return Application.UPDATED if self.is_update else Application.IMPORTED


@dataclass(frozen=True, slots=True)
class Removed:
    """The line no longer belongs in Billing. Correcting entries bring its sum to 0.00.

    `reason` is None if the line was deleted or is no longer paid. `is_accepted` tells whether a biller removed the
    amount by accepting an exception.
    """

    application: ClassVar[Application] = Application.REMOVED
    target: ClassVar[Money] = ZERO

    reason: Reason | None = None
    is_accepted: bool = False

    @property
    def status(self) -> Status:
        """Return Not Sent if the line has a reason, otherwise Transmission Successful."""
        return Status.NOT_SENT if self.reason else Status.SUCCESSFUL


@dataclass(frozen=True, slots=True)
class ClosedMonth:
    """A change of a payment in a closed month: nothing is posted, and a biller has to decide (rule D3).

    `target` is in dollars. `reason` is set if the line also became Not Sent.
    """

    application: ClassVar[Application] = Application.EXCEPTION

    case: ClosedCase
    target: Money
    reason: Reason | None = None

    @property
    def status(self) -> Status:
        """Return Not Sent if the line has a reason, otherwise Transmission Successful."""
        return Status.NOT_SENT if self.reason else Status.SUCCESSFUL


@dataclass(frozen=True, slots=True)
class ZeroDue:
    """The Amount Due is 0.00: nothing is posted, and a biller has to decide (rule D2, row 9)."""

    status: ClassVar[Status] = Status.SUCCESSFUL
    reason: ClassVar[None] = None
    application: ClassVar[Application] = Application.EXCEPTION
    target: ClassVar[None] = None


@dataclass(frozen=True, slots=True)
class Held:
    """The line is held, and is evaluated again at `due_at` (rule D5).

    `retry_count` is the number of consecutive holds of this kind. There are two kinds: holds for an unknown patient,
    and holds for any other cause. `error` is the text of a technical fault, empty if there was none.
    """

    status: ClassVar[Status] = Status.PENDING
    reason: ClassVar[None] = None
    application: ClassVar[Application] = Application.HELD
    target: ClassVar[None] = None

    due_at: datetime | None
    retry_count: int
    cause: HoldCause
    error: str = ""


@dataclass(frozen=True, slots=True)
class NotSent:
    """The line is not sent to Billing; `reason` says why. Nothing is posted for the line.

    `error` is the text of the technical fault that ended the retries, empty if there was none.
    """

    status: ClassVar[Status] = Status.NOT_SENT
    application: ClassVar[Application] = Application.NONE

    reason: Reason
    error: str = ""

    @property
    def target(self) -> Money | None:
        """0.00, or None if the retries ended before the target was decided."""
        return None if self.reason in _REASONS_WITHOUT_TARGET else ZERO


@dataclass(frozen=True, slots=True)
class NothingToPost:
    """The line was transmitted but needs no entries, for example the deletion of a line that was never posted."""

    status: ClassVar[Status] = Status.SUCCESSFUL
    reason: ClassVar[None] = None
    application: ClassVar[Application] = Application.NONE
    target: ClassVar[Money] = ZERO


@dataclass(frozen=True, slots=True)
class NeverSent:
    """The line is not marked Paid and was never sent: it has no status and no row on the Claims Feed."""

    status: ClassVar[None] = None
    reason: ClassVar[None] = None
    application: ClassVar[Application] = Application.NONE
    target: ClassVar[Money] = ZERO


Outcome = Posted | Removed | ClosedMonth | ZeroDue | Held | NotSent | NothingToPost | NeverSent
