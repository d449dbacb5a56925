"""Tell an EMR, before the front desk saves, whether a payment would be sent to Billing."""

from dataclasses import dataclass
from datetime import date, datetime

from payments.contract.event import ChargeType
from payments.core.ambiguity import AmbiguousIdError
from payments.core.eligibility import exclusion_reason
from payments.core.month import Month, MonthState
from payments.core.outcome import Reason
from payments.core.scope import Scope
from payments.store.db.connection import Transaction
from payments.store.ledger import clinics, months


@dataclass(frozen=True, slots=True)
class EligibilityPreview:
    """Whether a payment saved now would be sent, the reason if not, and the state of the payment's month.

    `is_known` is False if Billing does not know the clinic. `is_adjusted_automatically` says whether the company's
    policy accepts exceptions of a closed month automatically.
    """

    reason: Reason | None
    month_state: MonthState
    is_known: bool = True
    is_adjusted_automatically: bool = False

    @property
    def would_be_sent(self) -> bool:
        """Whether the payment would be sent to Billing."""
        return self.reason is None


def preview_payment(
    tx: Transaction, scope: Scope, charge_type: ChargeType, day: date, now: datetime
) -> EligibilityPreview:
    """Return what would happen to a paid line of this charge type and transaction date if it were saved now.

    `scope` includes one clinic id: that of the line. Raises AmbiguousIdError if several companies of the scope have it.
    """
    known = clinics.load_all(tx, scope.only_clinic)
    found = [clinic for key, clinic in known.items() if scope.may_see(*key)]
    if not found:
        return EligibilityPreview(Reason.INTEGRATION_OFF, MonthState.OPEN, is_known=False)
    if len(found) > 1:
        raise AmbiguousIdError(f"clinic {scope.only_clinic}", (clinic.key.company_id for clinic in found))
    (clinic,) = found
    state = months.load_state(tx, clinic.key.company_id, Month.of(day))
    reason = exclusion_reason(clinic.settings_at(now), charge_type)
    (company,) = clinics.list_companies(tx, Scope.of_companies(clinic.key.company_id))
    return EligibilityPreview(reason, state, is_adjusted_automatically=company.adjustments == "auto")
