"""The answer to "Will it flow?": what Billing would do with a payment if the front desk saved it now."""

from dataclasses import dataclass
from datetime import date

from payments.contract.event import ChargeType
from payments.core.month import Month, MonthState
from payments.core.outcome import ClosedMonth, Held, HoldCause, NotSent, Outcome, Posted, Reason, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowPreview:
    """The outcome that the import rule gives a payment, or the error of an invalid one.

    `error` is the message of the event contract; then `outcome` is None. `patient_id` is None if no patient was named:
    then the patient counts as known. `is_adjusted_automatically` says whether the company's policy accepts exceptions
    of a closed month automatically.
    """

    clinic_id: str
    charge_type: ChargeType
    day: date
    patient_id: str | None
    outcome: Outcome | None
    error: str = ""
    month_state: MonthState = MonthState.OPEN
    is_adjusted_automatically: bool = False

    @property
    def month(self) -> Month:
        """The month of the payment."""
        return Month.of(self.day)

    @property
    def status(self) -> Status | None:
        """The transmission status; None for a payment that is not marked Paid."""
        return Status.VALIDATION_FAILED if self.outcome is None else self.outcome.status

    @property
    def reason(self) -> Reason | None:
        """Why the payment would be Not Sent or fail validation; None if it would not."""
        if self.outcome is None:
            return Reason.INVALID_EVENT
        return self.outcome.reason if isinstance(self.outcome, NotSent) else None

    @property
    def would_be_sent(self) -> bool:
        """Whether the payment would reach Billing, immediately or once what it waits for has arrived."""
        return self.status in {Status.SUCCESSFUL, Status.PENDING}

    @property
    def would_be_posted(self) -> bool:
        """Whether the amount would be in Billing without anybody's decision, immediately or after a closing month."""
        match self.outcome:
            case Posted():
                return True
            case ClosedMonth():
                return self.is_adjusted_automatically
            case Held(cause=cause):
                return cause is HoldCause.MONTH_CLOSING
            case _:
                return False
