"""The import rule: from what the EMR saved and what Billing holds to what is posted (rules D2 and D3).

Nothing is read or written here; the journey brings the facts and carries out the decision.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import NamedTuple

from payments.contract.event import LineEvent, PaymentDeleted, PaymentSaved
from payments.contract.money import ZERO
from payments.core.backoff import BackoffSchedule, pause
from payments.core.correction import adjusting_entries, correcting_postings, effective_postings
from payments.core.eligibility import (
    SWITCHED_OFF,
    ClinicSettings,
    Eligible,
    Ineligible,
    NeedsReview,
    Verdict,
    check_eligibility,
)
from payments.core.line import EntryDimensions, LedgerPosting, Line, nonmonetary_hash
from payments.core.month import Month, MonthState
from payments.core.outcome import Application, Outcome, Reason, Status, held, not_sent


class VersionCheck(StrEnum):
    """How a version stands to the one that Billing holds (rule D2, rows 1 to 3)."""

    NEW = "new"
    AGAIN = "again"
    STALE = "stale"
    CONFLICT = "conflict"


class ImportContext(NamedTuple):
    """What Billing knows at the moment of judging. `months` holds the state of every month that is not open."""

    now: datetime
    backoff_schedule: BackoffSchedule
    settings: ClinicSettings = SWITCHED_OFF
    patient_known: bool = True
    months: Mapping[Month, MonthState] | None = None
    patient_schedule: BackoffSchedule | None = None

    def month_state(self, day: date) -> MonthState:
        """Return the state of the company's month that holds the day."""
        return (self.months or {}).get(Month.of(day), MonthState.OPEN)


class Decision(NamedTuple):
    """The line as it stands afterwards, and what has to be posted for it."""

    line: Line
    postings: tuple[LedgerPosting, ...] = ()


def check_version(event: LineEvent, content_hash: bytes, before: Line | None) -> VersionCheck:
    """Compare an event with the version that Billing holds; the newest version wins."""
    if before is None or event.version > before.version:
        return VersionCheck.NEW
    if event.version < before.version:
        return VersionCheck.STALE
    if content_hash != before.content_hash:
        return VersionCheck.CONFLICT
    return VersionCheck.NEW if before.outcome.status is Status.NOT_SENT else VersionCheck.AGAIN


def decide(
    event: LineEvent,
    content_hash: bytes,
    before: Line | None,
    facts: ImportContext,
    requeued_at: datetime | None = None,
) -> Decision:
    """Judge a version that is to be processed, and say what to post.

    `before` is the line as Billing holds it, or None for one that it meets for the first time; `requeued_at` is when
    someone asked for another try of this event.
    """
    known = before.content if before else None
    line = Line(
        key=event.key,
        company_id=event.company_id,
        patient_id=event.patient_id,
        version=event.version,
        deleted=isinstance(event, PaymentDeleted),
        saved_at=event.saved_at.astimezone(UTC),  # PostgreSQL reads no offset of 16 hours or more
        saved_on=event.saved_at.date(),  # the day in the offset that the clinic wrote
        content_hash=content_hash,
        content=event if isinstance(event, PaymentSaved) else known,
        outcome=Outcome(Application.NONE),
        attempts=1 + (before.attempts if before and before.version == event.version else 0),
        requeued_at=requeued_at,
        postings=before.postings if before else (),
        settled_notes=before.settled_notes if before else None,
        id=before.id if before else None,
    )
    return _judged(line, before, facts)


def decide_again(line: Line, facts: ImportContext) -> Decision:
    """Judge a line anew that waits or was requeued."""
    return _judged(line._replace(attempts=line.attempts + 1), line, facts)


def decide_failed(line: Line, facts: ImportContext, error: str) -> Decision:
    """Put off a line that could not be judged because of an error, or end its tries."""
    decision = _waits(_Case(line, facts, line, line.outcome), Reason.RETRIES_EXHAUSTED)
    outcome = decision.line.outcome._replace(detail=error)
    return Decision(decision.line._replace(outcome=outcome, attempts=line.attempts + 1))


class _Case(NamedTuple):
    """A version that is being judged: as it would stand, as the line stood before, how it waited so far."""

    line: Line
    facts: ImportContext
    before: Line | None = None
    waited: Outcome | None = None

    @property
    def days(self) -> set[date]:
        """The days whose months must be open: of all that stands, and the last and the new date of transaction."""
        days = self.line.posted_deposit_dates
        if days and self.before and self.before.content:
            days.add(self.before.content.transaction_date)
        return days

    @property
    def was_sent(self) -> bool:
        """Whether the line came through before: into Billing, or to a person who has to look at it."""
        seen = self.before is not None and self.before.outcome.status is Status.SUCCESSFUL
        return seen or bool(self.line.postings)


def _judged(line: Line, before: Line | None, facts: ImportContext) -> Decision:
    waiting = before and before.version == line.version and before.outcome.status is Status.PENDING
    case = _Case(line, facts, before, before.outcome if before and waiting else None)
    if line.deleted or line.content is None:
        return _take_out(case, Outcome(Application.NONE))
    return _carry_out(case, line.content, check_eligibility(line.content, before, facts.settings))


def _carry_out(case: _Case, saved: PaymentSaved, verdict: Verdict) -> Decision:
    match verdict:
        case Ineligible(reason):
            unpaid = Outcome(Application.NONE, status=Status.SUCCESSFUL if case.was_sent else None)
            return _take_out(case, not_sent(reason) if reason else unpaid)
        case NeedsReview(detail):
            return _ends(case.line, Outcome(Application.EXCEPTION, target=None, detail=detail))
        case Eligible() if saved.amount == ZERO:  # only a refund line may say so
            return _take_out(case, Outcome(Application.NONE))
        case Eligible():
            if not case.facts.patient_known:
                return _waits(case, Reason.PATIENT_NOT_FOUND)
            return _bring_in(case, saved)


def _bring_in(case: _Case, saved: PaymentSaved) -> Decision:
    standing = effective_postings(case.line.postings)
    wanted = LedgerPosting(saved.amount, EntryDimensions.of(saved))
    outcome = Outcome(Application.UPDATED if standing else Application.IMPORTED, target=saved.amount)
    states = {case.facts.month_state(day) for day in case.days | {saved.transaction_date}}
    if MonthState.CLOSING in states:
        return _waits(case, Reason.RETRIES_EXHAUSTED)
    if MonthState.CLOSED not in states:
        return _post(case.line, wanted, outcome)
    if not standing:
        return _excepted(case.line, outcome, "added")
    if adjusting_entries(standing, wanted) or nonmonetary_hash(saved) != case.line.settled_notes:
        return _excepted(case.line, outcome, "edited")
    return _ends(case.line, outcome)


def _take_out(case: _Case, outcome: Outcome) -> Decision:
    if not effective_postings(case.line.postings):
        return _ends(case.line, outcome)
    outcome = outcome._replace(application=Application.REMOVED, target=ZERO)
    states = {case.facts.month_state(day) for day in case.days}
    if MonthState.CLOSING in states:
        return _waits(case, Reason.RETRIES_EXHAUSTED)
    if MonthState.CLOSED in states:
        return _excepted(case.line, outcome, "deleted")
    return _post(case.line, None, outcome)


def _post(line: Line, wanted: LedgerPosting | None, outcome: Outcome) -> Decision:
    """Carry the correction out: every month that it touches is open (rule D3)."""
    postings = correcting_postings(line.postings, wanted)
    notes = nonmonetary_hash(line.content) if line.content else None
    return Decision(line._replace(outcome=outcome, postings=line.postings + postings, settled_notes=notes), postings)


def _excepted(line: Line, outcome: Outcome, case: str) -> Decision:
    """Change nothing in a closed month: a person, or the company's policy, adds an adjustment to the present one."""
    detail = f"Payment {case} when month is closed"
    return _ends(line, outcome._replace(application=Application.EXCEPTION, detail=detail))


def _waits(case: _Case, reason: Reason) -> Decision:
    """Put the line off to the next rung of its ladder, or end it with this reason."""
    line, facts = case.line, case.facts
    for_patient = reason is Reason.PATIENT_NOT_FOUND
    waited_for_patient = case.waited is not None and case.waited.detail == Reason.PATIENT_NOT_FOUND.sentence
    # What was waited for a patient is not counted against a fault, nor the other way round.
    waits = case.waited.waits if case.waited and waited_for_patient is for_patient else 0
    if for_patient and facts.patient_schedule is not None:
        wait = facts.patient_schedule[waits] if waits < len(facts.patient_schedule) else None
    else:
        wait = pause(facts.backoff_schedule, waits + 1, str(line.key))
    if wait is None:
        return _ends(line, not_sent(reason, target=None))
    detail = reason.sentence if for_patient else "The month is being closed."
    return _ends(line, held(facts.now + wait, waits + 1, detail))


def _ends(line: Line, outcome: Outcome) -> Decision:
    return Decision(line._replace(outcome=outcome))
