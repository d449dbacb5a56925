"""Findings, which the office calls Billing Exceptions (rules D3, D4 and D6).

Python's exceptions are called errors in this code base.
"""

from dataclasses import dataclass
from enum import StrEnum

from payments.contract.money import ZERO, Money
from payments.core.correction import adjusting_entries, correcting_postings
from payments.core.line import Adjustment, EntryDimensions, LedgerPosting, Line, effective_postings, nonmonetary_hash
from payments.core.outcome import ClosedCase, ClosedMonth, NotSent, Outcome, Posted, Reason, Removed, ZeroDue


class DecisionError(ValueError):
    """A finding cannot be decided, assigned or reopened as requested. Nothing was changed.

    `problem` is the message without the finding's number.
    """

    def __init__(self, finding_id: int, problem: str) -> None:
        self.finding_id, self.problem = finding_id, problem
        super().__init__(f"exception {finding_id}: {problem}")


class FindingReason(StrEnum):
    """The reason why a biller has to look at a payment."""

    CLOSED_MONTH = "closed_month"
    ZERO_DUE = "zero_due"
    PATIENT_NOT_FOUND = "patient_not_found"
    VERSION_CONFLICT = "version_conflict"

    @property
    def can_be_accepted(self) -> bool:
        """Whether a biller can accept a finding with this reason.

        Findings with other reasons close when the EMR corrects the payment or saves the patient.
        """
        return self in {FindingReason.CLOSED_MONTH, FindingReason.ZERO_DUE}


class FindingNote(StrEnum):
    """The code of a note for the biller about a finding. In the column `findings.note`, `;` separates several codes."""

    LATE_ARRIVAL = "late_arrival"  # followed by `:` and the month that was closed after the save
    NOTHING_TO_POST = "nothing_to_post"  # only the date or a note differs


class FindingStatus(StrEnum):
    """Status of a finding."""

    OPEN = "open"
    RESOLVED = "resolved"
    ACKNOWLEDGED = "acknowledged"
    AUTO_CLOSED = "auto_closed"

    @property
    def words(self) -> str:
        """The status as users read it."""
        return _STATUS_WORDS[self]


_STATUS_WORDS = {
    FindingStatus.OPEN: "open",
    FindingStatus.RESOLVED: "accepted",
    FindingStatus.ACKNOWLEDGED: "acknowledged",
    FindingStatus.AUTO_CLOSED: "closed automatically",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding about a line at its newest version.

    `amount_before` is the amount in Billing, `amount_now` the amount in the EMR, both in dollars. `case` is set for a
    closed month, otherwise None. `proposal` holds the entries that are posted when a biller accepts the finding.
    """

    reason: FindingReason
    case: ClosedCase | None
    amount_before: Money
    amount_now: Money
    proposal: tuple[Adjustment, ...] = ()

    @property
    def difference(self) -> Money:
        """The EMR's amount less Billing's, in dollars."""
        return self.amount_now - self.amount_before


def needs_review(outcome: Outcome) -> bool:
    """Return whether this outcome requires a finding (rule D6)."""
    return isinstance(outcome, ClosedMonth | ZeroDue) or outcome.reason is Reason.PATIENT_NOT_FOUND


def required_finding(line: Line) -> Finding | None:
    """Return the finding that the outcome of a line requires, or None if it requires none (rules D3 and D6)."""
    match line.outcome:
        case NotSent(reason=Reason.PATIENT_NOT_FOUND):
            return Finding(FindingReason.PATIENT_NOT_FOUND, None, line.posted, _amount_paid(line))
        case ZeroDue():
            return Finding(FindingReason.ZERO_DUE, None, line.posted, _amount_paid(line), proposed_adjustments(line))
        case ClosedMonth(case, target):
            return Finding(FindingReason.CLOSED_MONTH, case, line.posted, target, proposed_adjustments(line))
        case _:
            return None


def version_conflict_finding(line: Line, amount_now: Money | None) -> Finding:
    """Return the finding for an event that repeats a version of the line with different content (rule D2, row 2).

    `amount_now` is the amount that the event states, in dollars. It is None if the amount is unreadable.
    """
    return Finding(FindingReason.VERSION_CONFLICT, None, line.posted, line.posted if amount_now is None else amount_now)


def proposed_adjustments(line: Line) -> tuple[Adjustment, ...]:
    """Return the adjusting entries that correct Billing to the EMR's amount (rule D4). Empty if only notes differ."""
    return adjusting_entries(effective_postings(line.postings), _target_posting(line))


def import_postings(line: Line) -> tuple[LedgerPosting, ...]:
    """Return the postings for accepting a line with an Amount Due of 0.00. Its months must be open (rule D6)."""
    return correcting_postings(line.postings, _target_posting(line))


def apply_acceptance(line: Line, posted: tuple[LedgerPosting, ...]) -> Line:
    """Return the line after its finding was accepted. `posted` are the entries that the acceptance posted."""
    target = _target_amount(line)
    if target:
        is_update = bool(effective_postings(line.postings))
        outcome: Outcome = Posted(target, is_update=is_update, is_accepted=True)
    else:
        outcome = Removed(line.outcome.reason, is_accepted=True)
    agreed = nonmonetary_hash(line.content) if line.content else None
    return line._replace(outcome=outcome, postings=line.postings + posted, acknowledged_hash=agreed)


def apply_acknowledgement(line: Line) -> Line:
    """Return the line after its finding was acknowledged.

    If only notes or dates differ, `acknowledged_hash` is updated, so that the same difference opens no other finding.
    """
    found = required_finding(line)
    if found is None or found.case is None or found.proposal or line.content is None:
        return line
    return line._replace(acknowledged_hash=nonmonetary_hash(line.content))


def _target_posting(line: Line) -> LedgerPosting | None:
    """Return the posting that Billing should hold for the line; None if it should hold nothing."""
    target = _target_amount(line)
    return LedgerPosting(target, EntryDimensions.of(line.content)) if line.content and target != ZERO else None


def _target_amount(line: Line) -> Money:
    return _amount_paid(line) if line.outcome.target is None else line.outcome.target


def _amount_paid(line: Line) -> Money:
    return line.content.amount if line.content and not line.deleted else ZERO
