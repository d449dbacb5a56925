"""Rules of manual entries: check an entry, and compute the outcome of a line with linked entries (rule D4)."""

from datetime import date
from enum import StrEnum
from typing import NamedTuple

from payments.contract.days import YEAR_FIRST
from payments.contract.event import ChargeType, Method
from payments.contract.money import AMOUNT_MAX, ZERO, Money
from payments.core.finding import FindingReason, proposed_adjustments
from payments.core.line import Line, effective_postings, nonmonetary_hash
from payments.core.outcome import ClosedMonth, Outcome, Posted, Removed
from payments.core.request_key import hash_request, request_key_problem
from payments.core.undoing import outcome_to_decide

REASON_CHARACTERS_MAX = 500
REFERENCE_CHARACTERS_MAX = 64


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
    TRANSFER = "transfer"

    @property
    def is_by_hand(self) -> bool:
        """Whether a user posts the entry itself. Others are posted by a refund, a returned payment or a transfer."""
        return self in {EntryPurpose.PAYMENT, EntryPurpose.ADJUSTMENT, EntryPurpose.ERROR_CORRECTION}

    @property
    def needs_reason(self) -> bool:
        """Whether an entry with this purpose needs a reason."""
        return self is not EntryPurpose.PAYMENT


class ManualEntry(NamedTuple):
    """A manual entry to post: an amount in dollars, and the other fields that reports show.

    `reference` is the number of a check or the last digits of a card. `date_of_service` is None if the money is not for
    a particular visit. `provider_id` is the provider of the payment that the entry is posted for, None without one.
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
    """A manual entry as requested. Most fields that are None are taken from the payment that the entry is posted for.

    `deposit_date` defaults to the current day. Without a payment, `charge_type` defaults to Other, and `clinic_id` to
    the company's only clinic that the user may see; `company_id` and `patient_id` must be given.
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
        """Return a hash of the whole request: of this draft, and of the other parts of the request in `more`."""
        return hash_request(*self, *more)


def check_request_key(key: str) -> None:
    """Raise EntryError unless a user may name a request so."""
    if problem := request_key_problem(key):
        raise EntryError(problem)


def check_entry(entry: ManualEntry, today: date) -> None:
    """Raise EntryError if an entry breaks a rule that does not depend on months.

    A payment is above 0.00. Other entries may have either sign, and need a reason. `today` is the current day of the
    company.
    """
    if not entry.purpose.is_by_hand:
        raise EntryError("refunds, returned payments and transfers have their own pages and commands")
    if entry.amount == ZERO:
        raise EntryError("the amount is 0.00")
    if abs(entry.amount) > AMOUNT_MAX:
        raise EntryError(f"the amount is more than {AMOUNT_MAX:,}")
    if entry.purpose is EntryPurpose.PAYMENT and entry.amount < ZERO:
        raise EntryError(
            "the amount of a payment must be more than 0.00; otherwise post an adjustment or an error correction"
        )
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
    """Return whether a manual entry may be linked to a line. The outcome of the line must be ClosedMonth."""
    return isinstance(line.outcome, ClosedMonth)


def with_changed_links(line: Line) -> Line:
    """Return a line after its linked entries have changed, with the outcome that follows from d = T - P (rule D4).

    If the ledger differs from the target, the outcome is ClosedMonth: the line needs a decision. A line that is already
    ClosedMonth stays so while a note differs. Otherwise the outcome is Posted or Removed. A line whose outcome is none
    of these three is returned unchanged.
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
