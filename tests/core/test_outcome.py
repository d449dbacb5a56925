"""Outcomes: their status, target and application, and how import statistics count and print them."""

from datetime import UTC, datetime
from typing import get_args

import pytest

from payments.contract.money import ZERO, dollars
from payments.core.import_stats import ImportStats
from payments.core.outcome import (
    Application,
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

DUE_AT = datetime(2026, 6, 10, tzinfo=UTC)
AMOUNT = dollars("25.00")
INTERNAL = Reason.INTERNAL_PAYMENT

# Each outcome, with its application, status, reason and target.
OUTCOME_CASES = [
    (Posted(AMOUNT), Application.IMPORTED, Status.SUCCESSFUL, None, AMOUNT),
    (Posted(AMOUNT, is_update=True), Application.UPDATED, Status.SUCCESSFUL, None, AMOUNT),
    (Removed(), Application.REMOVED, Status.SUCCESSFUL, None, ZERO),
    (Removed(INTERNAL), Application.REMOVED, Status.NOT_SENT, INTERNAL, ZERO),
    (ClosedMonth(ClosedCase.ADDED, AMOUNT), Application.EXCEPTION, Status.SUCCESSFUL, None, AMOUNT),
    (ClosedMonth(ClosedCase.DELETED, ZERO, INTERNAL), Application.EXCEPTION, Status.NOT_SENT, INTERNAL, ZERO),
    (ZeroDue(), Application.EXCEPTION, Status.SUCCESSFUL, None, None),
    (Held(DUE_AT, 2, HoldCause.PATIENT_NOT_FOUND), Application.HELD, Status.PENDING, None, None),
    (NotSent(INTERNAL), Application.NONE, Status.NOT_SENT, INTERNAL, ZERO),
    (NotSent(Reason.RETRIES_EXHAUSTED), Application.NONE, Status.NOT_SENT, Reason.RETRIES_EXHAUSTED, None),
    (NotSent(Reason.PATIENT_NOT_FOUND), Application.NONE, Status.NOT_SENT, Reason.PATIENT_NOT_FOUND, None),
    (NothingToPost(), Application.NONE, Status.SUCCESSFUL, None, ZERO),
    (NeverSent(), Application.NONE, None, None, ZERO),
]


@pytest.mark.parametrize(("outcome", "application", "status", "reason", "target"), OUTCOME_CASES)
def test_each_outcome_has_its_application_status_reason_and_target(
    outcome: Outcome, application: Application, status: Status | None, reason: Reason | None, target: object
) -> None:
    assert (outcome.application, outcome.status, outcome.reason, outcome.target) == (
        application,
        status,
        reason,
        target,
    )


def test_every_kind_of_outcome_is_tested() -> None:
    assert {type(row[0]) for row in OUTCOME_CASES} == set(get_args(Outcome))


def test_outcomes_of_different_kinds_are_unequal() -> None:
    assert NothingToPost() != NeverSent()


@pytest.mark.parametrize(
    ("outcome", "printed"),
    [
        (Posted(AMOUNT), "imported 1, updated 0, held 0, not sent 0"),
        (Posted(AMOUNT, is_update=True), "imported 0, updated 1, held 0, not sent 0"),
        (Held(DUE_AT, 1, HoldCause.ERROR), "imported 0, updated 0, held 1, not sent 0"),
        (NotSent(INTERNAL), "imported 0, updated 0, held 0, not sent 1"),
        (ZeroDue(), "imported 0, updated 0, held 0, not sent 0, exceptions 1"),
        (ClosedMonth(ClosedCase.ADDED, AMOUNT), "imported 0, updated 0, held 0, not sent 0, exceptions 1"),
        (Removed(), "imported 0, updated 0, held 0, not sent 0, removed 1"),
        (Removed(INTERNAL), "imported 0, updated 0, held 0, not sent 0, removed 1"),
        (NothingToPost(), "imported 0, updated 0, held 0, not sent 0, unchanged 1"),
        (NeverSent(), "imported 0, updated 0, held 0, not sent 0, unchanged 1"),
    ],
)
def test_import_stats_count_and_print_each_outcome(outcome: Outcome, printed: str) -> None:
    stats = ImportStats()
    stats.count(outcome)

    assert (str(stats), stats.evaluated) == (printed, 1)


def test_import_stats_add_up() -> None:
    both = ImportStats(imported=1_200, failed=1, evaluated=1_201) + ImportStats(imported=34, noted=2)

    assert both == ImportStats(imported=1_234, failed=1, noted=2, evaluated=1_201)
    assert str(both) == "imported 1,234, updated 0, held 0, not sent 0, failed 1, patients and charges noted 2"
