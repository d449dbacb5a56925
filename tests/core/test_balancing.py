"""Balancing (rule D9): each difference between the EMR and Billing is a reconciling item or is unexplained."""

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from payments.contract.money import ZERO, dollars
from payments.contract.payment_log import PaymentDetails
from payments.core.balancing import (
    Balance,
    BalancedLine,
    BalancingNote,
    BalancingNoteCode,
    LineComparison,
    last_full_week,
    reconcile,
)
from payments.core.outcome import (
    ClosedCase,
    ClosedMonth,
    Held,
    HoldCause,
    NeverSent,
    NotSent,
    Outcome,
    Posted,
    Reason,
    Status,
    ZeroDue,
)

DAY = date(2026, 6, 5)
FAILED = Status.VALIDATION_FAILED
HELD_FOR_MONTH = Held(datetime(2026, 6, 10, tzinfo=UTC), 1, HoldCause.MONTH_CLOSING)
HELD_BY_REQUEUE = Held(datetime(2026, 6, 10, tzinfo=UTC), 0, HoldCause.REQUEUED)
INTERNAL_OUTCOME = NotSent(Reason.INTERNAL_PAYMENT)


def line_comparison(amount: str, outcome: Outcome | None = None, **changes: object) -> LineComparison:
    """Return a line in the range, without posted entries. `changes` replaces its fields; amounts may be text."""
    named = {name: dollars(value) if type(value) is str else value for name, value in changes.items()}
    stated = dollars(amount)
    line = LineComparison(
        payment="c/p/1",
        company="company",
        clinic="c",
        is_in_range=True,
        emr_amount=stated,
        latest_amount=stated,
        accepted_amount=stated,
        rejected_status=None,
        outcome=outcome,
        imported_in_range=ZERO,
    )
    return replace(line, **named)  # type: ignore[arg-type]


def posted_outcome(amount: str) -> Posted:
    return Posted(dollars(amount))


def closed_month_outcome(case: ClosedCase, target: str, reason: Reason | None = None) -> ClosedMonth:
    return ClosedMonth(case, dollars(target), reason)


EXPLAINED = [
    ("imported", line_comparison("25.00", posted_outcome("25.00"), imported_in_range="25.00"), {}),
    ("not paid", line_comparison("0.00", NeverSent()), {}),
    ("internal", line_comparison("25.00", INTERNAL_OUTCOME), {"internal": "25.00"}),
    ("type not selected", line_comparison("25.00", NotSent(Reason.TYPE_NOT_SELECTED)), {"not_sent": "25.00"}),
    ("retries exhausted", line_comparison("25.00", NotSent(Reason.RETRIES_EXHAUSTED)), {"not_sent": "25.00"}),
    ("patient not found", line_comparison("25.00", NotSent(Reason.PATIENT_NOT_FOUND)), {"not_sent": "25.00"}),
    ("held", line_comparison("25.00", HELD_FOR_MONTH), {"pending": "25.00"}),
    ("edit held", line_comparison("35.00", HELD_FOR_MONTH, imported_in_range="25.00"), {"pending": "10.00"}),
    ("deletion held", line_comparison("0.00", HELD_FOR_MONTH, imported_in_range="25.00"), {"pending": "-25.00"}),
    ("requeued", line_comparison("25.00", HELD_BY_REQUEUE), {"pending": "25.00"}),
    ("requeued while posted", line_comparison("25.00", HELD_BY_REQUEUE, imported_in_range="25.00"), {}),
    ("zero due", line_comparison("25.00", ZeroDue()), {"zero_due": "25.00"}),
    ("zero due after import", line_comparison("0.00", ZeroDue(), imported_in_range="25.00"), {"zero_due": "-25.00"}),
    (
        "newer version rejected",
        line_comparison(
            "40.00", posted_outcome("25.00"), accepted_amount="25.00", imported_in_range="25.00", rejected_status=FAILED
        ),
        {"invalid": "15.00"},
    ),
    (
        "dead letter after the last retry",
        line_comparison("40.00", NeverSent(), accepted_amount="0.00", rejected_status=Status.NOT_SENT),
        {"not_sent": "40.00"},
    ),
    ("added", line_comparison("50.00", closed_month_outcome(ClosedCase.ADDED, "50.00")), {"closed_month": "50.00"}),
    (
        "edited",
        line_comparison("45.00", closed_month_outcome(ClosedCase.EDITED, "45.00"), imported_in_range="60.00"),
        {"closed_month": "-15.00"},
    ),
    (
        "deleted",
        line_comparison("0.00", closed_month_outcome(ClosedCase.DELETED, "0.00"), imported_in_range="60.00"),
        {"closed_month": "-60.00"},
    ),
    (
        "internal after its month closed",
        line_comparison(
            "60.00",
            closed_month_outcome(ClosedCase.DELETED, "0.00", Reason.INTERNAL_PAYMENT),
            imported_in_range="60.00",
        ),
        {"internal": "60.00", "closed_month": "-60.00"},
    ),
    (
        "adjusted",
        line_comparison("45.00", posted_outcome("45.00"), imported_in_range="60.00", adjusted="-15.00"),
        {"prior_period": "-15.00"},
    ),
    (
        "deposited outside the range",
        line_comparison("25.00", posted_outcome("25.00"), imported_elsewhere="25.00"),
        {"date_differences": "25.00"},
    ),
    (
        "deposited in the range, dated outside",
        line_comparison(
            "25.00", posted_outcome("25.00"), is_in_range=False, emr_amount="0.00", imported_in_range="25.00"
        ),
        {"date_differences": "-25.00"},
    ),
    (
        "moved, edited and adjusted",
        line_comparison(
            "35.00",
            closed_month_outcome(ClosedCase.EDITED, "40.00"),
            accepted_amount="40.00",
            rejected_status=FAILED,
            imported_elsewhere="20.00",
            adjusted="5.00",
        ),
        {"invalid": "-5.00", "closed_month": "15.00", "prior_period": "5.00", "date_differences": "20.00"},
    ),
    ("refund", line_comparison("-25.00", NotSent(Reason.TYPE_NOT_SELECTED)), {"not_sent": "-25.00"}),
]


@pytest.mark.parametrize(("line", "items"), [row[1:] for row in EXPLAINED], ids=[row[0] for row in EXPLAINED])
def test_line_is_explained_by_its_reconciling_items(line: LineComparison, items: dict[str, str]) -> None:
    explained = reconcile(line)

    assert {item.value: str(amount) for item, amount in explained.items.items()} == items
    assert (explained.unexplained, explained.notes) == (ZERO, ())


ERRORS = [
    ("never posted", line_comparison("25.00", posted_outcome("25.00")), "25.00"),
    ("posted twice", line_comparison("25.00", posted_outcome("25.00"), imported_in_range="50.00"), "-25.00"),
    (
        "posted with another amount",
        line_comparison("25.00", posted_outcome("30.00"), imported_in_range="30.00"),
        "-5.00",
    ),
    ("internal, but posted", line_comparison("25.00", INTERNAL_OUTCOME, imported_in_range="25.00"), "-25.00"),
    ("imported for 20.00", line_comparison("25.00", posted_outcome("20.00"), imported_in_range="20.00"), "5.00"),
    ("never paid, but posted", line_comparison("0.00", NeverSent(), imported_in_range="9.00"), "-9.00"),
]


@pytest.mark.parametrize(("line", "amount"), [row[1:] for row in ERRORS], ids=[row[0] for row in ERRORS])
def test_error_in_the_ledger_is_unexplained(line: LineComparison, amount: str) -> None:
    explained = reconcile(line)

    assert str(explained.unexplained) == amount
    assert explained.notes == (BalancingNote(BalancingNoteCode.WRONG_IN_BILLING),)


def difference_note(field: str, in_emr: object, in_billing: object) -> BalancingNote:
    return BalancingNote(BalancingNoteCode.DIFFERENT, field, in_emr, in_billing)


DETAILS = PaymentDetails(DAY, "Copay", internal_payment=False, version=1)
IMPORTED_LINE = line_comparison("25.00", posted_outcome("25.00"), imported_in_range="25.00", feed=DETAILS, log=DETAILS)
LOGGED_LINES = [
    ("the same", IMPORTED_LINE, "0.00", ()),
    (
        "only in the log",
        line_comparison("0.00", None, emr_amount="25.00", log=DETAILS),
        "25.00",
        (BalancingNote(BalancingNoteCode.ONLY_IN_EMR),),
    ),
    (
        "not in the log",
        replace(IMPORTED_LINE, emr_amount=ZERO, log=None),
        "-25.00",
        (BalancingNote(BalancingNoteCode.ONLY_IN_BILLING),),
    ),
    (
        "amount",
        replace(IMPORTED_LINE, emr_amount=Decimal("30.00")),
        "5.00",
        (difference_note("amount", Decimal("30.00"), Decimal("25.00")),),
    ),
    (
        "day",
        replace(IMPORTED_LINE, is_in_range=False, imported_in_range=ZERO, log=DETAILS._replace(day=date(2026, 6, 6))),
        "25.00",
        (difference_note("day", date(2026, 6, 6), DAY),),
    ),
    (
        "all other details",
        replace(IMPORTED_LINE, log=PaymentDetails(DAY, "Other", internal_payment=False, version=2)),
        "0.00",
        (difference_note("charge_type", "Other", "Copay"), difference_note("version", 2, 1)),
    ),
    ("no version in the log", replace(IMPORTED_LINE, log=DETAILS._replace(version=None)), "0.00", ()),
]


@pytest.mark.parametrize(
    ("line", "amount", "notes"), [row[1:] for row in LOGGED_LINES], ids=[row[0] for row in LOGGED_LINES]
)
def test_difference_from_the_payment_log_gets_a_note(
    line: LineComparison, amount: str, notes: tuple[BalancingNote, ...]
) -> None:
    explained = reconcile(line)

    assert (str(explained.unexplained), explained.notes) == (amount, notes)


def test_balance_sums_all_lines_and_lists_those_that_differ() -> None:
    balance = Balance()
    balance.add(BalancedLine(None, "company", "c", Decimal("75.00"), Decimal("75.00"), count=3))
    for _, line, _ in [*EXPLAINED, *ERRORS]:
        balance.add(reconcile(line))

    assert balance.equal == 3 + 3  # imported, not paid, requeued while posted
    assert balance.unexplained == sum(line.unexplained for line in balance.lines) == Decimal("-34.00")
    assert [len(balance.unbalanced_lines), len(balance.lines)] == [len(ERRORS), len(EXPLAINED) - 3 + len(ERRORS)]
    assert balance.emr_total == balance.billing_total + sum(balance.items.values()) + balance.unexplained


@pytest.mark.parametrize("day", range(5, 12))
def test_last_full_week_ends_on_the_sunday_before_this_week(day: int) -> None:
    assert last_full_week(date(2026, 10, day)) == (date(2026, 9, 28), date(2026, 10, 4))
