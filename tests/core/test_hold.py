"""Holds (rule D5): the retry schedules of an unknown patient and of a failed evaluation."""

from datetime import timedelta
from decimal import Decimal

from payments.core.import_rule import ImportContext, decide, decide_again, decide_failed
from payments.core.outcome import Held, HoldCause, NotSent, Reason
from tests.builders.events import BACKOFF, COPAYS, NOW, next_version, saved_payment

FIRST_SAVE = saved_payment("25.00")
CONTEXT_KNOWN_PATIENT = ImportContext(NOW, BACKOFF, COPAYS)
CONTEXT_UNKNOWN_PATIENT = ImportContext(NOW, BACKOFF, COPAYS, patient_known=False)


def decide_event(event, before=None, context=CONTEXT_KNOWN_PATIENT):
    return decide(event, event.content_hash, before, context)


def test_unknown_patient_holds_the_line_for_each_step_and_then_it_is_not_sent():
    line = decide_event(FIRST_SAVE, None, CONTEXT_UNKNOWN_PATIENT).line
    holds = []
    while isinstance(line.outcome, Held):
        holds.append(line.outcome)
        line = decide_again(line, CONTEXT_UNKNOWN_PATIENT).line

    assert [(each.retry_count, each.cause) for each in holds] == [
        (1, HoldCause.PATIENT_NOT_FOUND),
        (2, HoldCause.PATIENT_NOT_FOUND),
    ]
    assert all(NOW <= each.due_at <= NOW + step for each, step in zip(holds, BACKOFF, strict=True))
    assert (line.outcome, line.attempts) == (NotSent(Reason.PATIENT_NOT_FOUND), 3)
    assert decide_again(line, CONTEXT_KNOWN_PATIENT).line.posted == Decimal("25.00")


def test_new_version_of_a_held_line_restarts_the_schedule():
    held = decide_again(decide_event(FIRST_SAVE, None, CONTEXT_UNKNOWN_PATIENT).line, CONTEXT_UNKNOWN_PATIENT).line

    assert held.outcome.retry_count == 2
    assert decide_event(next_version(FIRST_SAVE), held, CONTEXT_UNKNOWN_PATIENT).line.outcome.retry_count == 1


def test_failed_evaluation_holds_the_line_with_its_error_and_then_it_is_not_sent():
    line = decide_event(FIRST_SAVE).line
    error = "DataError: what the database said"
    outcomes = []
    for _ in range(3):
        line = decide_failed(line, ImportContext(NOW, BACKOFF), error).line
        outcomes.append(line.outcome)

    *holds, last = outcomes
    assert [(each.retry_count, each.cause, each.error) for each in holds] == [
        (1, HoldCause.ERROR, error),
        (2, HoldCause.ERROR, error),
    ]
    assert last == NotSent(Reason.RETRIES_EXHAUSTED, error)
    assert line.posted == Decimal("25.00")


def test_patient_schedule_has_equal_steps_that_failures_do_not_use_up():
    quarter = timedelta(minutes=15)
    unknown = ImportContext(NOW, BACKOFF, COPAYS, patient_known=False, patient_schedule=(quarter,) * 2)
    event = saved_payment()
    line = decide(event, event.content_hash, None, unknown).line
    assert line.outcome == Held(NOW + quarter, 1, HoldCause.PATIENT_NOT_FOUND)

    line = decide_failed(line, unknown, "a fault").line
    assert (line.outcome.cause, line.outcome.retry_count) == (HoldCause.ERROR, 1)

    for retry_count in (1, 2):
        line = decide_again(line, unknown).line
        assert line.outcome == Held(NOW + quarter, retry_count, HoldCause.PATIENT_NOT_FOUND)
    assert decide_again(line, unknown).line.outcome == NotSent(Reason.PATIENT_NOT_FOUND)
