"""Tell an EMR, before the front desk saves, whether a payment would flow to Billing."""

from dataclasses import dataclass
from datetime import date, datetime

from payments.contract.event import ChargeType
from payments.core.eligibility import exclusion_reason
from payments.core.month import Month, MonthState
from payments.core.outcome import Reason
from payments.store.db.connection import Transaction
from payments.store.ledger import clinics, month_close


@dataclass(frozen=True, slots=True)
class EligibilityPreview:
    """Whether a payment saved now would flow, the reason if not, and the state of its month."""

    reason: Reason | None
    month_state: MonthState
    sentence: str

    @property
    def flows(self) -> bool:
        """Whether it would flow."""
        return self.reason is None


def would_flow(
    tx: Transaction, clinic_id: str, charge_type: ChargeType, day: date, now: datetime
) -> EligibilityPreview:
    """Return what would happen to a paid line of this charge type and transaction date if it were saved now."""
    clinic = clinics.load(tx, [clinic_id]).get(clinic_id)
    if clinic is None:
        sentence = f"Not Sent: clinic {clinic_id} is not known to Billing, so nothing of it is sent."
        return EligibilityPreview(Reason.INTEGRATION_OFF, MonthState.OPEN, sentence)
    state = month_close.load_state(tx, clinic.company_id, Month.of(day))
    match exclusion_reason(clinic.settings_at(now), charge_type):
        case None:
            (company,) = clinics.list_companies(tx, [clinic_id])
            return EligibilityPreview(None, state, _when_it_flows(Month.of(day), state, company.adjustments))
        case Reason.TYPE_NOT_SELECTED as reason:
            sentence = f"Not Sent: {charge_type} is not selected in the settings of clinic {clinic_id}."
            return EligibilityPreview(reason, state, sentence)
        case reason:
            return EligibilityPreview(reason, state, f"Not Sent: {reason.sentence}")


def _when_it_flows(month: Month, state: MonthState, adjustments: str) -> str:
    match state:
        case MonthState.CLOSED if adjustments == "auto":
            return (
                f"It flows, but {month} is closed: it is posted with the deposit date of the day, and nobody is asked."
            )
        case MonthState.CLOSED:
            return f"It flows, but {month} is closed: a biller gets an exception, and nothing is posted by itself."
        case MonthState.CLOSING:
            return f"It flows; {month} is being closed, so that it waits until that is done."
        case MonthState.SCHEDULED:
            return f"It flows. {month} is scheduled to be closed tonight."
        case MonthState.OPEN:
            return "It flows."
