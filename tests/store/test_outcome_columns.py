"""Outcomes are written to columns of `lines` and read back unchanged. Rows of earlier releases can be read."""

import pytest

from payments.contract.money import ZERO, dollars
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
    ZeroDue,
)
from payments.store.ledger.outcome_columns import OutcomeColumns, from_columns, to_columns
from tests.builders.events import NOW

ALL_OUTCOMES: list[Outcome] = [
    Posted(dollars("25.00")),
    Posted(dollars("25.00"), is_update=True, is_accepted=True),
    Removed(),
    Removed(Reason.INTERNAL_PAYMENT),
    Removed(is_accepted=True),
    *(ClosedMonth(case, dollars("25.00")) for case in ClosedCase),
    ClosedMonth(ClosedCase.DELETED, ZERO, Reason.INTERNAL_PAYMENT),
    ZeroDue(),
    *(Held(NOW, 2, cause) for cause in HoldCause if cause is not HoldCause.ERROR),
    Held(NOW, 2, HoldCause.ERROR, "DataError: what the database said"),
    *(NotSent(reason) for reason in Reason),
    NotSent(Reason.RETRIES_EXHAUSTED, "DataError: what the database said"),
    NothingToPost(),
    NeverSent(),
]


@pytest.mark.parametrize("outcome", ALL_OUTCOMES)
def test_outcome_is_read_back_from_its_columns(outcome: Outcome) -> None:
    assert from_columns(to_columns(outcome)) == outcome


@pytest.mark.parametrize(
    ("columns", "outcome"),
    [
        (
            OutcomeColumns("Transmission Pending", None, "held", None, "The patient is not known to Billing.", 1, NOW),
            Held(NOW, 1, HoldCause.PATIENT_NOT_FOUND),
        ),
        (
            OutcomeColumns("Transmission Pending", None, "held", ZERO, "Requeued", 0, NOW),
            Held(NOW, 0, HoldCause.REQUEUED),
        ),
        (
            OutcomeColumns(
                "Transmission Successful", None, "exception", dollars("5.00"), "Payment added when month is closed"
            ),
            ClosedMonth(ClosedCase.ADDED, dollars("5.00")),
        ),
        (
            OutcomeColumns("Not Sent", "internal_payment", "none", ZERO, "An Internal Payment stays in the EMR."),
            NotSent(Reason.INTERNAL_PAYMENT),
        ),
        (
            OutcomeColumns("Transmission Successful", None, "imported", dollars("5.00"), "Accepted"),
            Posted(dollars("5.00"), is_accepted=True),
        ),
    ],
)
def test_outcome_is_read_from_the_sentences_of_older_rows(columns: OutcomeColumns, outcome: Outcome) -> None:
    assert from_columns(columns) == outcome
