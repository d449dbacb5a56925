"""Rule D3: what becomes of a version in open, closing and closed months."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from payments.contract.event import Method
from payments.contract.money import ZERO
from payments.core.import_rule import ImportContext, VersionCheck, check_version, decide, decide_again, decide_failed
from payments.core.month import Month, MonthState
from payments.core.outcome import Application, Reason, Status
from tests.make import BACKOFF, COPAYS, NOW, deleted, edited, posting, saved

MAY, JUNE = Month(2026, 5), Month(2026, 6)
NOTHING_KNOWN = ImportContext(NOW, BACKOFF)


def facts(june=MonthState.OPEN, may=MonthState.OPEN, *, patient_known=True):
    return ImportContext(NOW, BACKOFF, COPAYS, patient_known, {MAY: may, JUNE: june})


def told(event, before=None, known=None):
    return decide(event, event.content_hash, before, known or facts())


def ended(decision):
    line = decision.line
    return line.outcome.application, line.outcome.status, line.outcome.target, line.posted


FIRST = saved("25.00")
IMPORTED, UPDATED, REMOVED, EXCEPTION, NONE = (
    Application.IMPORTED,
    Application.UPDATED,
    Application.REMOVED,
    Application.EXCEPTION,
    Application.NONE,
)
OPEN, SCHEDULED, CLOSED = MonthState.OPEN, MonthState.SCHEDULED, MonthState.CLOSED
IN_MAY = {"transaction_date": "2026-05-20"}

# What stood before, the new version, the state of June, of May: what becomes of it, T, P.
STORIES = {
    "new in an open month": (None, saved("25.00"), OPEN, OPEN, IMPORTED, "25.00", "25.00"),
    "new in a scheduled month": (None, saved("25.00"), SCHEDULED, OPEN, IMPORTED, "25.00", "25.00"),
    "new in a closed month": (None, saved("25.00"), CLOSED, OPEN, EXCEPTION, "25.00", "0.00"),
    "deleted before it was known": (None, deleted(), OPEN, OPEN, NONE, "0.00", "0.00"),
    "deleted before it was known, closed": (None, deleted(), CLOSED, OPEN, NONE, "0.00", "0.00"),
    "edited": (FIRST, edited(FIRST, amount_paid="35.00"), OPEN, OPEN, UPDATED, "35.00", "35.00"),
    "memo edited": (FIRST, edited(FIRST, memo="m"), OPEN, OPEN, UPDATED, "25.00", "25.00"),
    "moved into an open month": (FIRST, edited(FIRST, **IN_MAY), OPEN, OPEN, UPDATED, "25.00", "25.00"),
    "moved into a closed month": (FIRST, edited(FIRST, **IN_MAY), OPEN, CLOSED, EXCEPTION, "25.00", "25.00"),
    "moved out of a closed month": (FIRST, edited(FIRST, **IN_MAY), CLOSED, OPEN, EXCEPTION, "25.00", "25.00"),
    "deleted": (FIRST, deleted(version=2), OPEN, OPEN, REMOVED, "0.00", "0.00"),
    "edited, closed": (FIRST, edited(FIRST, amount_paid="35.00"), CLOSED, OPEN, EXCEPTION, "35.00", "25.00"),
    "method edited, closed": (FIRST, edited(FIRST, method="Check"), CLOSED, OPEN, EXCEPTION, "25.00", "25.00"),
    "memo edited, closed": (FIRST, edited(FIRST, memo="m"), CLOSED, OPEN, EXCEPTION, "25.00", "25.00"),
    "saved unchanged, closed": (FIRST, edited(FIRST), CLOSED, OPEN, UPDATED, "25.00", "25.00"),
    "deleted, closed": (FIRST, deleted(version=2), CLOSED, OPEN, EXCEPTION, "0.00", "25.00"),
    "unpaid": (FIRST, edited(FIRST, paid=False), OPEN, OPEN, REMOVED, "0.00", "0.00"),
    "unpaid, closed": (FIRST, edited(FIRST, paid=False), CLOSED, OPEN, EXCEPTION, "0.00", "25.00"),
    "zero due": (FIRST, edited(FIRST, amount_due="0.00"), OPEN, OPEN, EXCEPTION, None, "25.00"),
}


@pytest.mark.parametrize("story", STORIES)
def test_what_becomes_of_a_version(story):
    first, event, june, may, application, target, posted = STORIES[story]
    before = told(first).line if first else None

    decision = told(event, before, facts(june, may))

    expected_target = None if target is None else Decimal(target)
    assert ended(decision) == (application, Status.SUCCESSFUL, expected_target, Decimal(posted))


@pytest.mark.parametrize(
    ("case", "first", "event"),
    [
        ("added", None, FIRST),
        ("edited", FIRST, edited(FIRST, amount_paid="35.00")),
        ("deleted", FIRST, deleted(version=2)),
    ],
)
def test_a_closed_month_is_not_touched_and_the_case_is_named(case, first, event):
    before = told(first).line if first else None
    decision = told(event, before, facts(CLOSED))

    assert decision.postings == ()
    assert decision.line.outcome.detail == f"Payment {case} when month is closed"


LEAVES = edited(FIRST, charge_type="Supplies")
CHANGES = [edited(FIRST, amount_paid="35.00"), deleted(version=2), edited(FIRST, **IN_MAY), LEAVES]


@pytest.mark.parametrize(
    ("last", "posted"),
    [(edited(FIRST, version=4, amount_paid="35.00", **IN_MAY), "35.00"), (deleted(version=4), "0.00")],
    ids=["edited", "deleted"],
)
@pytest.mark.parametrize("left", ["moved", "deleted"])
def test_a_month_that_a_payment_left_while_it_was_open_does_not_matter_when_it_is_closed(left, last, posted):
    before = told(deleted(version=2), told(FIRST).line).line if left == "deleted" else told(FIRST).line
    moved = told(edited(FIRST, version=3, **IN_MAY), before).line

    decision = told(last, moved, facts(june=CLOSED))

    assert (decision.line.posted, decision.line.outcome.target) == (Decimal(posted), Decimal(posted))


@pytest.mark.parametrize("event", CHANGES, ids=["amount", "deleted", "date", "type"])
def test_a_month_that_is_being_closed_makes_everything_wait(event):
    before = told(FIRST).line

    waiting = told(event, before, facts(MonthState.CLOSING)).line

    assert (waiting.outcome.application, waiting.outcome.status) == (Application.HELD, Status.PENDING)
    assert waiting.postings == before.postings
    assert NOW <= waiting.outcome.due_at <= NOW + BACKOFF[0]
    settled = decide_again(waiting, facts())
    assert settled.line.posted == settled.line.outcome.target == told(event, before).line.posted


def test_w16_an_edit_in_an_open_month_keeps_the_deposit_date_of_its_transaction():
    first = saved("25.00", transaction_date="2026-06-05")
    decision = told(edited(first, amount_due="35.00", amount_paid="35.00"), told(first).line)

    assert decision.postings == (posting("10.00", day="2026-06-05"),)
    assert decision.line.postings == (posting("25.00"), posting("10.00"))


def test_a_change_of_the_method_takes_the_money_out_and_puts_it_in_elsewhere():
    first = saved("40.00")

    assert told(edited(first, method="Check"), told(first).line).postings == (
        posting("-40.00"),
        posting("40.00", method=Method.CHECK),
    )


def test_a_refund_is_a_line_of_its_own_on_its_own_day():
    refund = saved("-80.00", payment_id="refund", refund_of="payment", transaction_date="2026-06-20")

    assert told(refund).postings == (posting("-80.00", day="2026-06-20"),)
    assert told(refund, None, facts(CLOSED)).line.outcome.application is EXCEPTION


def test_a_refund_of_nothing_posts_nothing():
    refund = saved(amount_paid="0.00", amount_due="-5.00", refund_of="payment")
    decision = told(refund)

    assert decision.postings == ()
    assert ended(decision) == (NONE, Status.SUCCESSFUL, ZERO, ZERO)


def test_a_line_that_was_never_to_be_sent_has_no_row_on_the_feed():
    assert told(saved(paid=False)).line.outcome.status is None


def test_an_unknown_patient_is_waited_for_up_the_ladder_and_then_it_is_not_sent():
    unknown = facts(patient_known=False)
    line = told(FIRST, None, unknown).line
    waits = [line.outcome]
    while line.outcome.due_at:
        line = decide_again(line, unknown).line
        waits.append(line.outcome)

    assert [each.waits for each in waits] == [1, 2, 0]
    assert all(NOW <= each.due_at <= NOW + step for each, step in zip(waits, BACKOFF, strict=False))
    assert (line.outcome.status, line.outcome.reason, line.attempts) == (
        Status.NOT_SENT,
        Reason.PATIENT_NOT_FOUND,
        3,
    )
    assert decide_again(line, facts()).line.posted == Decimal("25.00")


def test_a_new_version_of_a_line_that_waits_begins_the_ladder_anew():
    unknown = facts(patient_known=False)
    waiting = decide_again(told(FIRST, None, unknown).line, unknown).line

    assert waiting.outcome.waits == 2
    assert told(edited(FIRST), waiting, unknown).line.outcome.waits == 1


def test_a_line_that_cannot_be_judged_is_put_off_with_its_error_and_then_not_sent():
    line = told(FIRST).line
    outcomes = []
    for _ in range(3):
        line = decide_failed(line, NOTHING_KNOWN, "DataError: what the database said").line
        outcomes.append((line.outcome.status, line.outcome.reason, line.outcome.detail))

    error = "DataError: what the database said"
    assert outcomes == [(Status.PENDING, None, error)] * 2 + [(Status.NOT_SENT, Reason.RETRIES_EXHAUSTED, error)]
    assert line.posted == Decimal("25.00")


@pytest.mark.parametrize(
    ("before", "event", "expected"),
    [
        (None, FIRST, VersionCheck.NEW),
        (FIRST, edited(FIRST), VersionCheck.NEW),
        (FIRST, saved("25.00"), VersionCheck.AGAIN),
        (FIRST, saved("26.00"), VersionCheck.CONFLICT),
        (FIRST, deleted(), VersionCheck.CONFLICT),
        (edited(FIRST), FIRST, VersionCheck.STALE),
        (edited(FIRST), saved("26.00"), VersionCheck.STALE),
        (saved(internal_payment=True), saved(internal_payment=True), VersionCheck.NEW),
    ],
    ids=["first", "newer", "again", "other content", "deleted", "older", "older with other content", "was not sent"],
)
def test_how_a_version_stands_to_the_one_that_is_here(before, event, expected):
    line = told(before).line if before else None

    assert check_version(event, event.content_hash, line) is expected


def test_the_save_day_is_the_clinics_own():
    line = told(saved(saved_at="2026-06-05T23:30:00-07:00")).line

    assert str(line.saved_on) == "2026-06-05"
    assert line.saved_at == datetime(2026, 6, 6, 6, 30, tzinfo=UTC)


def test_an_unknown_patient_is_asked_for_at_even_pauses_of_its_own_that_no_fault_uses_up():
    facts = ImportContext(NOW, BACKOFF, COPAYS, patient_known=False, patient_schedule=(timedelta(minutes=15),) * 2)
    event = saved()
    line = decide(event, event.content_hash, None, facts).line
    assert (line.outcome.due_at, line.outcome.waits) == (NOW + timedelta(minutes=15), 1)

    line = decide_failed(line, facts, "a fault").line
    assert (line.outcome.status, line.outcome.waits) == (Status.PENDING, 1)

    for waits in (1, 2):
        line = decide_again(line, facts).line
        assert (line.outcome.due_at, line.outcome.waits) == (NOW + timedelta(minutes=15), waits)
    assert decide_again(line, facts).line.outcome.reason is Reason.PATIENT_NOT_FOUND
