"""The import rule (rules D2, D3 and D5): outcomes in open, closing and closed months, holds, and version checks."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from payments.contract.event import Method
from payments.contract.money import ZERO
from payments.core.import_rule import ImportContext, decide, decide_again
from payments.core.month import Month, MonthState
from payments.core.outcome import (
    Application,
    ClosedCase,
    ClosedMonth,
    Held,
    HoldCause,
    NeverSent,
    NothingToPost,
    Reason,
    Status,
)
from payments.core.version_check import VersionCheck, check_version
from tests.builders.events import BACKOFF, COPAYS, NOW, deleted_payment, ledger_posting, next_version, saved_payment

MAY, JUNE = Month(2026, 5), Month(2026, 6)


def context_with(june=MonthState.OPEN, may=MonthState.OPEN, *, patient_known=True):
    return ImportContext(NOW, BACKOFF, COPAYS, patient_known, {MAY: may, JUNE: june})


def decide_event(event, before=None, known=None):
    return decide(event, event.content_hash, before, known or context_with())


def outcome_summary(decision):
    line = decision.line
    return line.outcome.application, line.outcome.status, line.outcome.target, line.posted


SAVED = saved_payment("25.00")
IMPORTED, UPDATED, REMOVED, EXCEPTION, NONE = (
    Application.IMPORTED,
    Application.UPDATED,
    Application.REMOVED,
    Application.EXCEPTION,
    Application.NONE,
)
OPEN, SCHEDULED, CLOSED = MonthState.OPEN, MonthState.SCHEDULED, MonthState.CLOSED
NO_MONEY = {"amount_due": "0.00", "amount_paid": "0.00"}
ZERO_PAYMENT = saved_payment(**NO_MONEY)
IN_MAY = {"transaction_date": "2026-05-20"}

# The previous version, the new one, the states of June and May; then what Billing did, T and P.
IMPORT_CASES = {
    "new in an open month": (None, saved_payment("25.00"), OPEN, OPEN, IMPORTED, "25.00", "25.00"),
    "new in a scheduled month": (None, saved_payment("25.00"), SCHEDULED, OPEN, IMPORTED, "25.00", "25.00"),
    "new in a closed month": (None, saved_payment("25.00"), CLOSED, OPEN, EXCEPTION, "25.00", "0.00"),
    "deletion of an unknown line": (None, deleted_payment(), OPEN, OPEN, NONE, "0.00", "0.00"),
    "deletion of an unknown line, closed": (None, deleted_payment(), CLOSED, OPEN, NONE, "0.00", "0.00"),
    "edited": (SAVED, next_version(SAVED, amount_paid="35.00"), OPEN, OPEN, UPDATED, "35.00", "35.00"),
    "memo edited": (SAVED, next_version(SAVED, memo="m"), OPEN, OPEN, UPDATED, "25.00", "25.00"),
    "moved into an open month": (SAVED, next_version(SAVED, **IN_MAY), OPEN, OPEN, UPDATED, "25.00", "25.00"),
    "moved into a closed month": (SAVED, next_version(SAVED, **IN_MAY), OPEN, CLOSED, EXCEPTION, "25.00", "25.00"),
    "moved out of a closed month": (SAVED, next_version(SAVED, **IN_MAY), CLOSED, OPEN, EXCEPTION, "25.00", "25.00"),
    "deleted": (SAVED, deleted_payment(version=2), OPEN, OPEN, REMOVED, "0.00", "0.00"),
    "edited, closed": (SAVED, next_version(SAVED, amount_paid="35.00"), CLOSED, OPEN, EXCEPTION, "35.00", "25.00"),
    "method edited, closed": (SAVED, next_version(SAVED, method="Check"), CLOSED, OPEN, EXCEPTION, "25.00", "25.00"),
    "memo edited, closed": (SAVED, next_version(SAVED, memo="m"), CLOSED, OPEN, EXCEPTION, "25.00", "25.00"),
    "saved unchanged, closed": (SAVED, next_version(SAVED), CLOSED, OPEN, UPDATED, "25.00", "25.00"),
    "deleted, closed": (SAVED, deleted_payment(version=2), CLOSED, OPEN, EXCEPTION, "0.00", "25.00"),
    "unpaid": (SAVED, next_version(SAVED, paid=False), OPEN, OPEN, REMOVED, "0.00", "0.00"),
    "unpaid, closed": (SAVED, next_version(SAVED, paid=False), CLOSED, OPEN, EXCEPTION, "0.00", "25.00"),
    "nothing due or paid": (None, ZERO_PAYMENT, OPEN, OPEN, NONE, "0.00", "0.00"),
    "nothing due or paid, closed": (None, ZERO_PAYMENT, CLOSED, OPEN, NONE, "0.00", "0.00"),
    "nothing due or paid any more": (SAVED, next_version(SAVED, **NO_MONEY), OPEN, OPEN, REMOVED, "0.00", "0.00"),
    "nothing due or paid any more, closed": (
        SAVED,
        next_version(SAVED, **NO_MONEY),
        CLOSED,
        OPEN,
        EXCEPTION,
        "0.00",
        "25.00",
    ),
    "zero due": (SAVED, next_version(SAVED, amount_due="0.00"), OPEN, OPEN, EXCEPTION, None, "25.00"),
}


@pytest.mark.parametrize("case", IMPORT_CASES)
def test_version_gets_the_outcome_of_rule_d3(case):
    first, event, june, may, application, target, posted = IMPORT_CASES[case]
    before = decide_event(first).line if first else None

    decision = decide_event(event, before, context_with(june, may))

    expected_target = None if target is None else Decimal(target)
    assert outcome_summary(decision) == (application, Status.SUCCESSFUL, expected_target, Decimal(posted))


@pytest.mark.parametrize(
    ("case", "first", "event"),
    [
        (ClosedCase.ADDED, None, SAVED),
        (ClosedCase.EDITED, SAVED, next_version(SAVED, amount_paid="35.00")),
        (ClosedCase.DELETED, SAVED, deleted_payment(version=2)),
    ],
)
def test_closed_month_gets_no_postings_and_the_outcome_names_the_case(case, first, event):
    before = decide_event(first).line if first else None
    decision = decide_event(event, before, context_with(CLOSED))

    assert decision.postings == ()
    assert decision.line.outcome == ClosedMonth(case, decision.line.outcome.target)


def test_line_that_becomes_internal_in_a_closed_month_is_an_exception_with_its_reason():
    decision = decide_event(next_version(SAVED, internal_payment=True), decide_event(SAVED).line, context_with(CLOSED))

    assert decision.line.outcome == ClosedMonth(ClosedCase.DELETED, ZERO, Reason.INTERNAL_PAYMENT)
    assert decision.line.outcome.status is Status.NOT_SENT


CHANGED_TYPE = next_version(SAVED, charge_type="Supplies")
CHANGED_VERSIONS = [
    next_version(SAVED, amount_paid="35.00"),
    deleted_payment(version=2),
    next_version(SAVED, **IN_MAY),
    CHANGED_TYPE,
]


@pytest.mark.parametrize(
    ("last", "posted"),
    [
        (next_version(SAVED, version=4, amount_paid="35.00", **IN_MAY), "35.00"),
        (deleted_payment(version=4), "0.00"),
    ],
    ids=["edited", "deleted"],
)
@pytest.mark.parametrize("moved_by", ["edit", "deletion"])
def test_payment_moved_out_of_an_open_month_is_corrected_after_that_month_closed(moved_by, last, posted):
    before = (
        decide_event(deleted_payment(version=2), decide_event(SAVED).line).line
        if moved_by == "deletion"
        else decide_event(SAVED).line
    )
    moved = decide_event(next_version(SAVED, version=3, **IN_MAY), before).line

    decision = decide_event(last, moved, context_with(june=CLOSED))

    assert (decision.line.posted, decision.line.outcome.target) == (Decimal(posted), Decimal(posted))


@pytest.mark.parametrize("event", CHANGED_VERSIONS, ids=["amount", "deleted", "date", "type"])
def test_closing_month_holds_every_change(event):
    before = decide_event(SAVED).line

    held = decide_event(event, before, context_with(MonthState.CLOSING)).line

    assert held.outcome == Held(held.outcome.due_at, 1, HoldCause.MONTH_CLOSING)
    assert held.postings == before.postings
    assert NOW <= held.outcome.due_at <= NOW + BACKOFF[0]
    released = decide_again(held, context_with())
    assert released.line.posted == released.line.outcome.target == decide_event(event, before).line.posted


def test_w16_edit_in_an_open_month_keeps_the_deposit_date():
    first = saved_payment("25.00", transaction_date="2026-06-05")
    decision = decide_event(next_version(first, amount_due="35.00", amount_paid="35.00"), decide_event(first).line)

    assert decision.postings == (ledger_posting("10.00", day="2026-06-05"),)
    assert decision.line.postings == (ledger_posting("25.00"), ledger_posting("10.00"))


def test_change_of_method_posts_a_reversal_and_a_new_entry():
    first = saved_payment("40.00")

    assert decide_event(next_version(first, method="Check"), decide_event(first).line).postings == (
        ledger_posting("-40.00"),
        ledger_posting("40.00", method=Method.CHECK),
    )


def test_refund_is_posted_on_its_own_date():
    refund = saved_payment("-80.00", payment_id="refund", refund_of="clinic/payment/1", transaction_date="2026-06-20")

    assert decide_event(refund).postings == (ledger_posting("-80.00", day="2026-06-20"),)
    assert decide_event(refund, None, context_with(CLOSED)).line.outcome.application is EXCEPTION


def test_refund_of_zero_posts_nothing():
    decision = decide_event(saved_payment(amount_paid="0.00", amount_due="-5.00", refund_of="clinic/other/1"))

    assert (decision.postings, decision.line.outcome) == ((), NothingToPost())


def test_unpaid_line_is_never_sent():
    assert decide_event(saved_payment(paid=False)).line.outcome == NeverSent()


def test_unpaid_line_that_was_sent_before_stays_on_the_feed():
    removed = decide_event(next_version(SAVED, paid=False), decide_event(SAVED).line).line

    assert decide_event(next_version(SAVED, version=3, paid=False), removed).line.outcome == NothingToPost()


@pytest.mark.parametrize(
    ("before", "event", "expected"),
    [
        (None, SAVED, VersionCheck.NEW),
        (SAVED, next_version(SAVED), VersionCheck.NEW),
        (SAVED, saved_payment("25.00"), VersionCheck.AGAIN),
        (SAVED, saved_payment("26.00"), VersionCheck.CONFLICT),
        (SAVED, deleted_payment(), VersionCheck.CONFLICT),
        (next_version(SAVED), SAVED, VersionCheck.STALE),
        (next_version(SAVED), saved_payment("26.00"), VersionCheck.STALE),
        (saved_payment(internal_payment=True), saved_payment(internal_payment=True), VersionCheck.NEW),
    ],
    ids=["first", "newer", "repeat", "other content", "deleted", "older", "older, other content", "repeat of Not Sent"],
)
def test_version_check_compares_with_the_stored_version(before, event, expected):
    line = decide_event(before).line if before else None

    assert check_version(event, event.content_hash, line) is expected


def test_save_date_is_in_the_clinics_offset():
    line = decide_event(saved_payment(saved_at="2026-06-05T23:30:00-07:00")).line

    assert str(line.saved_on) == "2026-06-05"
    assert line.saved_at == datetime(2026, 6, 6, 6, 30, tzinfo=UTC)
