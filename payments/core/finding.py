"""What a person has to look at, worked out: the case, what stands and what should, and the entries that put it right.

The office calls these exceptions (rules D3, D4 and D6).
"""

from dataclasses import dataclass
from enum import StrEnum

from payments.contract.money import ZERO, Money
from payments.core.correction import adjusting_entries, correcting_postings, effective_postings
from payments.core.line import Adjustment, EntryDimensions, LedgerPosting, Line, nonmonetary_hash
from payments.core.outcome import Application, Outcome, Reason


class FindingReason(StrEnum):
    """Why a payment needs a person, in the words that people read."""

    CLOSED_MONTH = "Payment added/edited/deleted when month is closed"
    ZERO_DUE = "Amount Due is 0.00"
    PATIENT_NOT_FOUND = "Patient not found"
    VERSION_CONFLICT = "Version conflict"

    @property
    def can_be_accepted(self) -> bool:
        """Whether accepting it posts something; the others end when the EMR or a patient's arrival mends them."""
        return self in {FindingReason.CLOSED_MONTH, FindingReason.ZERO_DUE}


class ClosedCase(StrEnum):
    """What happened to a payment whose month is closed."""

    ADDED = "added"
    EDITED = "edited"
    DELETED = "deleted"


class FindingStatus(StrEnum):
    """How far a finding is on its way."""

    OPEN = "open"
    RESOLVED = "resolved"
    ACKNOWLEDGED = "acknowledged"
    AUTO_CLOSED = "auto_closed"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about a line at its newest version; amounts in dollars, `proposal` what accepting it adds."""

    reason: FindingReason
    case: ClosedCase | None
    amount_before: Money
    amount_now: Money
    proposal: tuple[Adjustment, ...] = ()

    @property
    def difference(self) -> Money:
        """By how much Billing differs from the EMR."""
        return self.amount_now - self.amount_before


def needs_review(outcome: Outcome) -> bool:
    """Say whether a line with this outcome has a finding (rule D6)."""
    return outcome.application is Application.EXCEPTION or outcome.reason is Reason.PATIENT_NOT_FOUND


def examine(line: Line) -> Finding | None:
    """Return what a person has to look at in a line that was judged, or None (rules D3 and D6)."""
    if line.outcome.reason is Reason.PATIENT_NOT_FOUND:
        return Finding(FindingReason.PATIENT_NOT_FOUND, None, line.posted, _paid(line))
    if line.outcome.application is not Application.EXCEPTION:
        return None
    if line.outcome.target is None:
        return Finding(FindingReason.ZERO_DUE, None, line.posted, _paid(line), proposed_adjustments(line))
    return Finding(
        FindingReason.CLOSED_MONTH, closed_case(line), line.posted, line.outcome.target, proposed_adjustments(line)
    )


def conflict(line: Line, amount_now: Money | None) -> Finding:
    """Return the finding for an event that says something else under a version that Billing holds."""
    return Finding(FindingReason.VERSION_CONFLICT, None, line.posted, line.posted if amount_now is None else amount_now)


def closed_case(line: Line) -> ClosedCase:
    """Return which of the three cases a closed month's payment is (rule D3)."""
    if not effective_postings(line.postings):
        return ClosedCase.ADDED
    return ClosedCase.EDITED if line.outcome.target else ClosedCase.DELETED


def proposed_adjustments(line: Line) -> tuple[Adjustment, ...]:
    """Return the entries that make Billing say what the EMR says (rule D4); none where only notes differ."""
    return adjusting_entries(effective_postings(line.postings), _wanted(line))


def import_postings(line: Line) -> tuple[LedgerPosting, ...]:
    """Return what brings in a payment whose Amount Due is 0.00, as any other is while its months are open (rule D6)."""
    return correcting_postings(line.postings, _wanted(line))


def _wanted(line: Line) -> LedgerPosting | None:
    target = _paid(line) if line.outcome.target is None else line.outcome.target
    return LedgerPosting(target, EntryDimensions.of(line.content)) if line.content and target != ZERO else None


def _paid(line: Line) -> Money:
    return line.content.amount if line.content and not line.deleted else ZERO


def accepted(line: Line, posted: tuple[LedgerPosting, ...]) -> Line:
    """Return the line as it stands once its finding was accepted and these entries were posted for it."""
    target = _paid(line) if line.outcome.target is None else line.outcome.target
    stood_before = bool(effective_postings(line.postings))
    application = Application.UPDATED if stood_before else Application.IMPORTED
    becomes = application if target else Application.REMOVED
    outcome = line.outcome._replace(application=becomes, target=target, detail="Accepted")
    notes = nonmonetary_hash(line.content) if line.content else None
    return line._replace(outcome=outcome, postings=line.postings + posted, settled_notes=notes)


def acknowledged(line: Line) -> Line:
    """Return the line once its finding was acknowledged: a note or a date that alone differed is agreed with."""
    found = examine(line)
    if found is None or found.case is None or found.proposal or line.content is None:
        return line
    return line._replace(settled_notes=nonmonetary_hash(line.content))
