"""A line of a balance: its amounts in the EMR and in Billing, and the items that explain the difference (rule D9)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from payments.contract.money import ZERO, Money, total
from payments.core.patient import NO_PATIENT, PatientOfLine


class ReconcilingItem(StrEnum):
    """A reason why the EMR's total and Billing's total differ. The members are in the order of the report."""

    INTERNAL = "internal"
    NOT_SENT = "not_sent"
    PENDING = "pending"
    INVALID = "invalid"
    ZERO_DUE = "zero_due"
    CLOSED_MONTH = "closed_month"
    PRIOR_PERIOD = "prior_period"
    MANUAL = "manual"
    DATE_DIFFERENCES = "date_differences"


class LineGroup(StrEnum):
    """A group of lines in a balance: the lines that make up one of its amounts, or that differ in the same way."""

    EMR = "emr"
    INTERNAL = "internal"
    NOT_SENT = "not_sent"
    PENDING = "pending"
    INVALID = "invalid"
    ZERO_DUE = "zero_due"
    CLOSED_MONTH = "closed_month"
    PRIOR_PERIOD = "prior_period"
    MANUAL = "manual"
    DATE_DIFFERENCES = "date_differences"
    UNEXPLAINED = "unexplained"
    ONLY_IN_EMR = "only_in_emr"
    ONLY_IN_BILLING = "only_in_billing"
    WRONG_IN_BILLING = "wrong_in_billing"
    DIFFERENT = "different"


class BalancingNoteCode(StrEnum):
    """The kind of a note about a line on which the EMR and Billing differ."""

    ONLY_IN_EMR = "only_in_emr"
    ONLY_IN_BILLING = "only_in_billing"
    WRONG_IN_BILLING = "wrong_in_billing"
    DIFFERENT = "different"


class BalancingNote(NamedTuple):
    """A note about a line on which the EMR and Billing differ.

    With the code DIFFERENT, `field` names the field that differs, and `in_emr` and `in_billing` are its two values.
    """

    code: BalancingNoteCode
    field: str = ""
    in_emr: object = None
    in_billing: object = None


@dataclass(frozen=True, slots=True)
class BalancedLine:
    """A line of a balance, with its reconciling items and its date of transaction. Amounts are in dollars.

    `count` is 1 for a single line. Lines on which the EMR and Billing agree are added up to one value; `count` is then
    the number of these lines.
    """

    payment: str | None
    company: str | None
    clinic: str | None
    emr: Money
    billing: Money
    items: Mapping[ReconcilingItem, Money] = field(default_factory=dict)
    notes: tuple[BalancingNote, ...] = ()
    count: int = 1
    day: date | None = None
    charge_type: str | None = None
    patient: PatientOfLine = NO_PATIENT

    @property
    def unexplained(self) -> Money:
        """The difference between the EMR and Billing that no reconciling item explains."""
        return self.emr - self.billing - total(self.items.values())

    @property
    def groups(self) -> frozenset[LineGroup]:
        """The groups that the line belongs to."""
        codes = [*self.items, *(note.code for note in self.notes)]
        found = {LineGroup(code) for code in codes}
        found |= {LineGroup.UNEXPLAINED} if self.unexplained else set()
        return frozenset(found | ({LineGroup.EMR} if self.emr else set()))

    def amount_in(self, group: LineGroup) -> Money:
        """Return the amount that the line adds to the total of a group, in dollars."""
        match group:
            case LineGroup.EMR:
                return self.emr
            case LineGroup.UNEXPLAINED:
                return self.unexplained
            case LineGroup.ONLY_IN_EMR | LineGroup.ONLY_IN_BILLING | LineGroup.WRONG_IN_BILLING | LineGroup.DIFFERENT:
                return self.emr - self.billing
            case _:
                return self.items.get(ReconcilingItem(group), ZERO)

    @property
    def is_equal(self) -> bool:
        """Whether the EMR and Billing agree on the line, with nothing to reconcile."""
        return not (self.items or self.notes or self.unexplained)
