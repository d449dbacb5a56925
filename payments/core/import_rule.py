"""The import rule: compute the outcome and the postings of a saved line (rules D2, D3, D5).

The functions are pure. The caller loads the context and stores the decision.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import NamedTuple

from payments.contract.event import LineEvent, PaymentDeleted, PaymentSaved
from payments.contract.money import ZERO
from payments.core.backoff import BackoffSchedule, backoff_delay
from payments.core.correction import adjusting_entries, correcting_postings
from payments.core.eligibility import (
    NO_SETTINGS,
    ClinicSettings,
    Eligible,
    Ineligible,
    NeedsReview,
    Verdict,
    check_eligibility,
)
from payments.core.line import EntryDimensions, LedgerPosting, Line, effective_postings, nonmonetary_hash
from payments.core.month import Month, MonthState
from payments.core.outcome import (
    ClosedCase,
    ClosedMonth,
    Held,
    HoldCause,
    NeverSent,
    NothingToPost,
    NotSent,
    Outcome,
    Posted,
    Reason,
    Removed,
    Status,
    ZeroDue,
)

_OUTCOME_BEFORE_EVALUATION = NeverSent()


class ImportContext(NamedTuple):
    """The data, besides the line itself, that an evaluation depends on, as of `now`.

    `settings` are the clinic's settings as of `Line.settings_as_of`. `months` holds the states of the company's months;
    a month without a state is open. `backoff_schedule` holds the delays after a fault, and `patient_schedule` the
    delays while the patient is unknown. If `patient_schedule` is None, `backoff_schedule` applies to both.
    """

    now: datetime
    backoff_schedule: BackoffSchedule
    settings: ClinicSettings = NO_SETTINGS
    patient_known: bool = True
    months: Mapping[Month, MonthState] | None = None
    patient_schedule: BackoffSchedule | None = None

    def month_state(self, day: date) -> MonthState:
        """Return the state of the company's month that contains the day."""
        return (self.months or {}).get(Month.of(day), MonthState.OPEN)


class Decision(NamedTuple):
    """The result of an evaluation: the line with its new outcome, and the entries to post for it."""

    line: Line
    postings: tuple[LedgerPosting, ...] = ()


def decide(
    event: LineEvent,
    content_hash: bytes,
    before: Line | None,
    context: ImportContext,
    requeued_at: datetime | None = None,
) -> Decision:
    """Return the decision on an event whose version is new to Billing.

    `content_hash` is the event's `content_hash`. `before` is the line as Billing holds it, None for a new line. If the
    event was a dead letter, `requeued_at` is the time at which a user requeued it.
    """
    previous_content = before.content if before else None
    line = Line(
        key=event.key,
        patient_id=event.patient_id,
        version=event.version,
        deleted=isinstance(event, PaymentDeleted),
        saved_at=event.saved_at.astimezone(UTC),  # PostgreSQL reads no offset of 16 hours or more
        saved_on=event.saved_at.date(),  # the day in the offset that the clinic wrote
        content_hash=content_hash,
        content=event if isinstance(event, PaymentSaved) else previous_content,
        outcome=_OUTCOME_BEFORE_EVALUATION,
        attempts=1 + (before.attempts if before and before.version == event.version else 0),
        requeued_at=requeued_at,
        postings=before.postings if before else (),
        acknowledged_hash=before.acknowledged_hash if before else None,
        id=before.id if before else None,
        linked_count=before.linked_count if before else 0,
    )
    return _evaluate(line, before, context)


def decide_again(line: Line, context: ImportContext) -> Decision:
    """Evaluate a held or requeued line again, and return the decision."""
    return _evaluate(line._replace(attempts=line.attempts + 1), line, context)


def decide_failed(line: Line, context: ImportContext, error: str) -> Decision:
    """Return the decision on a line whose evaluation failed: hold the line or, after its last retry, mark it Not Sent.

    `error` is the error's text.
    """
    hold = line.outcome if isinstance(line.outcome, Held) else None
    tried = line._replace(attempts=line.attempts + 1)
    return _hold(_Evaluation(tried, context, line, hold), HoldCause.ERROR, error)


class _Evaluation(NamedTuple):
    """The evaluation of a version of a line.

    `before` is the line before the evaluation, None for a new line. `hold` is the hold of this version that ends with
    the evaluation, None if there was none.
    """

    line: Line
    context: ImportContext
    before: Line | None = None
    hold: Held | None = None

    @property
    def days(self) -> set[date]:
        """The dates whose months must be open for a correction of the posted entries. Empty if nothing is posted.

        They are the posted deposit dates and the previous transaction date. If the line is not removed, the caller adds
        the new transaction date.
        """
        days = self.line.posted_deposit_dates
        if days and self.before and self.before.content:
            days.add(self.before.content.transaction_date)
        return days

    @property
    def was_sent(self) -> bool:
        """Whether Billing received an earlier version: it was successful, or entries were posted for it."""
        was_successful = self.before is not None and self.before.outcome.status is Status.SUCCESSFUL
        return was_successful or bool(self.line.postings)


def _evaluate(line: Line, before: Line | None, context: ImportContext) -> Decision:
    """Return the decision on a deleted or saved line (rule D2, rows 4 to 11)."""
    is_same_version = before is not None and before.version == line.version
    hold = before.outcome if before and is_same_version and isinstance(before.outcome, Held) else None
    evaluation = _Evaluation(line, context, before, hold)
    if line.deleted or line.content is None:
        return _remove(evaluation, NothingToPost())
    verdict = check_eligibility(line.content, before, context.settings)
    return _apply_verdict(evaluation, line.content, verdict)


def _apply_verdict(evaluation: _Evaluation, saved: PaymentSaved, verdict: Verdict) -> Decision:
    match verdict:
        case Ineligible(reason):
            unpaid = NothingToPost() if evaluation.was_sent else NeverSent()
            return _remove(evaluation, NotSent(reason) if reason else unpaid, reason)
        case NeedsReview():
            return _finish(evaluation.line, ZeroDue())
        case Eligible() if saved.amount == ZERO:  # a refund of 0.00, or nothing due and nothing paid
            return _remove(evaluation, NothingToPost())
        case Eligible() if not evaluation.context.patient_known:
            return _hold(evaluation, HoldCause.PATIENT_NOT_FOUND)
        case Eligible():
            return _import(evaluation, saved)


def _import(evaluation: _Evaluation, saved: PaymentSaved) -> Decision:
    """Post the difference to the EMR's amount. If an affected month is closing or closed, post nothing (rule D3)."""
    line, context = evaluation.line, evaluation.context
    posted = effective_postings(line.postings)
    target = LedgerPosting(saved.amount, EntryDimensions.of(saved))
    outcome = Posted(saved.amount, is_update=bool(posted))
    states = {context.month_state(day) for day in evaluation.days | {saved.transaction_date}}
    if MonthState.CLOSING in states:
        return _hold(evaluation, HoldCause.MONTH_CLOSING)
    if MonthState.CLOSED not in states:
        return _post(line, target, outcome)
    if not posted:
        return _finish(line, ClosedMonth(ClosedCase.ADDED, saved.amount))
    if adjusting_entries(posted, target) or nonmonetary_hash(saved) != line.acknowledged_hash:
        return _finish(line, ClosedMonth(ClosedCase.EDITED, saved.amount))
    return _finish(line, outcome)


def _remove(evaluation: _Evaluation, otherwise: Outcome, reason: Reason | None = None) -> Decision:
    """Correct the line's sum to 0.00 (rule D3). `reason` is set if the line is Not Sent.

    If nothing is posted for the line, its outcome is `otherwise`.
    """
    line = evaluation.line
    if not effective_postings(line.postings):
        return _finish(line, otherwise)
    states = {evaluation.context.month_state(day) for day in evaluation.days}
    if MonthState.CLOSING in states:
        return _hold(evaluation, HoldCause.MONTH_CLOSING)
    if MonthState.CLOSED in states:
        return _finish(line, ClosedMonth(ClosedCase.DELETED, ZERO, reason))
    return _post(line, None, Removed(reason))


def _post(line: Line, target: LedgerPosting | None, outcome: Outcome) -> Decision:
    """Return the decision that posts the correction to `target`. Every affected month must be open."""
    postings = correcting_postings(line.postings, target)
    agreed = nonmonetary_hash(line.content) if line.content else None
    return Decision(
        line._replace(outcome=outcome, postings=line.postings + postings, acknowledged_hash=agreed), postings
    )


def _hold(evaluation: _Evaluation, cause: HoldCause, error: str = "") -> Decision:
    """Hold the line until the next step of its schedule, or mark it Not Sent after the last step (rule D5)."""
    line, context, hold = evaluation.line, evaluation.context, evaluation.hold
    is_for_patient = cause is HoldCause.PATIENT_NOT_FOUND
    was_for_patient = hold is not None and hold.cause is HoldCause.PATIENT_NOT_FOUND
    # Holds for a patient and retries after a fault are counted separately.
    retry_count = hold.retry_count if hold and was_for_patient is is_for_patient else 0
    if is_for_patient and context.patient_schedule is not None:
        steps = context.patient_schedule
        delay = steps[retry_count] if retry_count < len(steps) else None
    else:
        delay = backoff_delay(context.backoff_schedule, retry_count + 1, str(line.key))
    if delay is None:
        reason = Reason.PATIENT_NOT_FOUND if is_for_patient else Reason.RETRIES_EXHAUSTED
        return _finish(line, NotSent(reason, error))
    return _finish(line, Held(context.now + delay, retry_count + 1, cause, error))


def _finish(line: Line, outcome: Outcome) -> Decision:
    """Return the decision with this outcome and no postings."""
    return Decision(line._replace(outcome=outcome))
