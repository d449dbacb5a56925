"""Manual entries: what a user may post by hand, and what a link to a payment changes (rule D4)."""

import hashlib
from datetime import date
from enum import StrEnum
from typing import NamedTuple

from payments.contract.days import YEAR_FIRST
from payments.contract.event import ChargeType, Method
from payments.contract.money import AMOUNT_MAX, ZERO, Money
from payments.core.finding import FindingReason, proposed_adjustments
from payments.core.line import Line, effective_postings, nonmonetary_hash
from payments.core.outcome import ClosedMonth, Outcome, Posted, Removed
from payments.core.undoing import outcome_to_decide

REASON_CHARACTERS_MAX = 500
REFERENCE_CHARACTERS_MAX = 64
REQUEST_KEY_CHARACTERS_MAX = 200


class EntryError(ValueError):
    """A manual entry cannot be made, reversed or linked as requested. Nothing was changed."""


class EntryPurpose(StrEnum):
    """The purpose of a manual entry."""

    PAYMENT = "payment"
    ADJUSTMENT = "adjustment"
    ERROR_CORRECTION = "error_correction"
    REFUND = "refund"
    BOUNCED_CHECK = "bounced_check"
    CHARGEBACK = "chargeback"

    @property
    def is_by_hand(self) -> bool:
        """Whether a user posts the entry itself. Others are posted by a refund or a returned payment."""
        return self in {EntryPurpose.PAYMENT, EntryPurpose.ADJUSTMENT, EntryPurpose.ERROR_CORRECTION}

    @property
    def needs_reason(self) -> bool:
        """Whether an entry with this purpose needs a reason."""
        return self is not EntryPurpose.PAYMENT


class ManualEntry(NamedTuple):
    """A manual entry to post: an amount in dollars, and what reports show of it.

    `reference` is the number of a check or the last digits of a card. `date_of_service` is None if the money is for no
    certain visit. `provider_id` is that of the payment that the entry is made for.
    """

    company_id: str
    clinic_id: str
    patient_id: str
    purpose: EntryPurpose
    amount: Money
    deposit_date: date
    method: Method
    charge_type: ChargeType
    reference: str | None = None
    reason: str = ""
    date_of_service: date | None = None
    provider_id: str | None = None


class EntryDraft(NamedTuple):
    """A manual entry as it is requested. What is None is taken from the payment that it is for.

    Without a payment, `deposit_date` is the current day, `charge_type` is Other, and `clinic_id` the company's only
    clinic. The company and the patient must be given.
    """

    purpose: EntryPurpose
    amount: Money
    method: Method
    company_id: str | None = None
    clinic_id: str | None = None
    patient_id: str | None = None
    deposit_date: date | None = None
    charge_type: ChargeType | None = None
    reference: str | None = None
    reason: str = ""
    date_of_service: date | None = None

    def request_hash(self, *more: object) -> bytes:
        """Return a hash of everything that was requested. `more` is what belongs to the request besides the entry."""
        text = repr([None if value is None else str(value) for value in (*self, *more)])
        return hashlib.blake2b(text.encode(), digest_size=16).digest()


def check_entry(entry: ManualEntry, today: date) -> None:
    """Raise EntryError if an entry breaks a rule that does not depend on months.

    A payment is above 0.00. Other entries may have either sign, and need a reason. `today` is the current day of the
    company.
    """
    if not entry.purpose.is_by_hand:
        raise EntryError("a refund or a returned payment is not posted as an entry; use `payments refunds` or its page")
    if entry.amount == ZERO:
        raise EntryError("the amount is 0.00")
    if abs(entry.amount) > AMOUNT_MAX:
        raise EntryError(f"the amount is more than {AMOUNT_MAX:,}")
    if entry.purpose is EntryPurpose.PAYMENT and entry.amount < ZERO:
        raise EntryError("a payment is above 0.00; post an adjustment or an error correction instead")
    if entry.purpose.needs_reason and not entry.reason.strip():
        raise EntryError("an adjustment or error correction needs a reason")
    if len(entry.reason) > REASON_CHARACTERS_MAX:
        raise EntryError(f"the reason has more than {REASON_CHARACTERS_MAX} characters")
    if entry.reference and len(entry.reference) > REFERENCE_CHARACTERS_MAX:
        raise EntryError(f"the reference has more than {REFERENCE_CHARACTERS_MAX} characters")
    check_day(entry.deposit_date, today)


def check_day(day: date, today: date) -> None:
    """Raise EntryError if a deposit date is in the future, or too early to be stored."""
    if day > today:
        raise EntryError(f"deposit date {day} is in the future; today is {today}")
    if day.year < YEAR_FIRST:
        raise EntryError(f"deposit date {day}: the earliest year is {YEAR_FIRST}")


def can_be_linked(line: Line) -> bool:
    """Return whether a manual entry may be linked to a line: only a payment of a closed month has a difference."""
    return isinstance(line.outcome, ClosedMonth)


def with_changed_links(line: Line) -> Line:
    """Return a line whose linked entries have changed, with the outcome that follows from d = T - P (rule D4).

    If nothing is left to post and no note differs, Billing holds the amount of the EMR. If Billing held it before and
    does not hold it any more, the line needs a decision again. A line whose target is undecided stays as it is.
    """
    outcome = line.outcome
    if not isinstance(outcome, Posted | Removed | ClosedMonth):
        return line
    agreed = nonmonetary_hash(line.content) if line.content else None
    has_difference = line.posted != outcome.target or bool(proposed_adjustments(line))
    if has_difference or (isinstance(outcome, ClosedMonth) and line.acknowledged_hash not in {None, agreed}):
        return line._replace(outcome=outcome_to_decide(line, FindingReason.CLOSED_MONTH))
    if isinstance(outcome, ClosedMonth):
        return line._replace(outcome=_settled(line, outcome), acknowledged_hash=agreed)
    return line


def _settled(line: Line, outcome: ClosedMonth) -> Outcome:
    if not outcome.target:
        return Removed(outcome.reason, is_accepted=True)
    return Posted(outcome.target, is_update=bool(effective_postings(line.postings)), is_accepted=True)
