"""The payment preview: the outcome that a payment would have if the front desk saved it now."""

from dataclasses import dataclass
from datetime import date

from payments.contract.event import ChargeType
from payments.core.month import Month, MonthState
from payments.core.outcome import ClosedMonth, Held, HoldCause, NotSent, Outcome, Posted, Reason, Status


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowPreview:
    """The expected outcome of a payment, or the error of an invalid payment.

    If the payment is invalid, `error` is the message of the event contract and `outcome` is None. `patient_id` is None
    if no patient was named. The patient then counts as known. `is_adjusted_automatically` tells whether the company's
    policy accepts exceptions of closed months automatically.
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
        """The reason if the payment would be Not Sent or fail validation, otherwise None."""
        if self.outcome is None:
            return Reason.INVALID_EVENT
        return self.outcome.reason if isinstance(self.outcome, NotSent) else None

    @property
    def would_be_sent(self) -> bool:
        """Whether Billing would receive the payment, immediately or after a hold."""
        return self.status in {Status.SUCCESSFUL, Status.PENDING}

    @property
    def would_be_posted(self) -> bool:
        """Whether the amount would be posted without a decision by a biller.

        A payment that is held because its month is CLOSING counts as posted.
        """
        match self.outcome:
            case Posted():
                return True
            case ClosedMonth():
                return self.is_adjusted_automatically
            case Held(cause=cause):
                return cause is HoldCause.MONTH_CLOSING
            case _:
                return False
