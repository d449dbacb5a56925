"""A patient's account while its payments are distributed: credits, charges and applied amounts (rule D8).

Each patient of a company has one account, which includes all cases of the patient.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple

from payments.contract.keys import ChargeKey
from payments.contract.money import ZERO, Money, sum_by_key
from payments.core.credit import Credit, SourceId


class AllocationRule(StrEnum):
    """The rule or the correction that caused an allocation."""

    CHARGE_LOWERED = "charge_lowered"
    PAYMENT_LOWERED = "payment_lowered"
    REFUNDED = "refunded"
    NEGATIVE_ENTRY = "negative_entry"
    ON_ACCOUNT = "on_account"
    NO_DATE = "no_date"
    OWN_DATE = "own_date"
    MORE_THAN_OWN_DATE = "more_than_own_date"
    AFTER_HOLD = "after_hold"


class Charge(NamedTuple):
    """A charge for a date of service, as the EMR saved it. Amounts are in dollars.

    `balance` is the amount that the patient still owes. `patient_paid` is the total of the patient's payments that the
    EMR has deducted from `balance`. The whole charge is the sum of both. If `patient_paid` is None, the first
    distribution after the save sets it to the amount that is applied to the charge at that time.
    """

    key: ChargeKey
    date_of_service: date
    balance: Money
    insurance_open: bool
    patient_paid: Money | None = ZERO
    version: int = 1


class AppliedAmount(NamedTuple):
    """An amount of a source that is applied to a charge, in dollars. A newer allocation has a higher id."""

    source: SourceId
    charge: ChargeKey
    amount: Money
    allocation_id: int


class Allocation(NamedTuple):
    """An amount of a source that is applied to a charge, in dollars, and the rule that decided it.

    A negative amount means that money is unapplied from the charge.
    """

    source: SourceId
    charge: ChargeKey
    amount: Money
    rule: AllocationRule


@dataclass(frozen=True, slots=True)
class DistributionPolicy:
    """The settings by which a company distributes payments (rule D8).

    `as_of` is the day of the run. Rule 4 applies a payment when `hold` has passed since its deposit date. `dos_first`
    runs rule 2 before rule 1. `immediate_only` skips rules 1 to 4; the nightly run applies them.
    """

    as_of: date
    hold: timedelta = timedelta(days=30)
    dos_first: bool = False
    immediate_only: bool = False


class Account:
    """A patient's account while its allocations are computed.

    `unapplied` holds the unapplied amount of each source. `outstanding` holds the amount that the patient still owes
    for each charge. `determined_paid` holds the `patient_paid` that `determine_paid` computed for newly saved charges.
    All amounts are in dollars.
    """

    def __init__(
        self,
        policy: DistributionPolicy,
        credits_: Iterable[Credit],
        charges: Iterable[Charge],
        applied: Iterable[AppliedAmount],
    ) -> None:
        self.policy = policy
        self.credits = sorted(credits_, key=lambda credit: (credit.deposit_date, credit.entry_id))
        self.charges = sorted(charges, key=lambda charge: (charge.date_of_service, charge.key))
        self.applied = sorted(applied, key=lambda each: each.allocation_id, reverse=True)
        self.unapplied = {credit.source: credit.amount for credit in self.credits}
        self.outstanding = {charge.key: charge.balance + (charge.patient_paid or ZERO) for charge in self.charges}
        self.determined_paid: dict[Charge, Money] = {}
        self.allocations: list[Allocation] = []
        for each in self.applied:
            self.unapplied[each.source] = self.unapplied.get(each.source, ZERO) - each.amount
            self.outstanding[each.charge] = self.outstanding.get(each.charge, ZERO) - each.amount

    @property
    def newly_saved(self) -> list[Charge]:
        """The charges whose `patient_paid` is not determined yet."""
        return [charge for charge in self.charges if charge.patient_paid is None]

    def determine_paid(self) -> None:
        """Set `patient_paid` of each newly saved charge to the amount that is now applied to the charge."""
        applied = sum_by_key((each.charge, each.amount) for each in self.applied)
        for charge in self.newly_saved:
            self.determined_paid[charge] = applied.get(charge.key, ZERO)
            self.outstanding[charge.key] = charge.balance

    def allocate(self, source: SourceId, charge: ChargeKey, amount: Money, rule: AllocationRule) -> None:
        """Apply an amount of a source to a charge, in dollars. A negative amount is unapplied."""
        self.unapplied[source] -= amount
        self.outstanding[charge] -= amount
        self.allocations.append(Allocation(source, charge, amount, rule))

    def unapply(self, applied: Sequence[AppliedAmount], amount: Money, rule: AllocationRule) -> None:
        """Unapply up to `amount` dollars from the given applied amounts, newest first."""
        for index, each in enumerate(self.applied):
            part = min(each.amount, amount)
            if each in applied and part > ZERO:
                self.allocate(each.source, each.charge, -part, rule)
                self.applied[index] = each._replace(amount=each.amount - part)
                amount -= part

    def apply(self, credit: Credit, charges: Iterable[Charge], rule: AllocationRule) -> None:
        """Apply the unapplied amount of a credit to charges, in order, up to the outstanding amount of each."""
        for charge in charges:
            part = min(self.unapplied[credit.source], self.outstanding[charge.key])
            if part > ZERO:
                self.allocate(credit.source, charge.key, part, rule)

    def charges_due_from_patient(self) -> Iterator[Charge]:
        """Yield the charges that are not open to insurance, oldest first."""
        return (charge for charge in self.charges if not charge.insurance_open)
