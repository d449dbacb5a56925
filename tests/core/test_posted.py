"""The posted state of a payment: it is in Billing, or there is a reason why not (rule D5)."""

import pytest

from payments.core.outcome import Application, Reason, Status
from payments.core.posted import NOT_IN_BILLING, PostedFacts, PostedFilter, PostedState, posted_state

SUCCESSFUL, NOT_SENT = Status.SUCCESSFUL, Status.NOT_SENT
IMPORTED, EXCEPTION, NONE = Application.IMPORTED, Application.EXCEPTION, Application.NONE


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (PostedFacts(SUCCESSFUL, None, IMPORTED), PostedState.POSTED),
        (PostedFacts(SUCCESSFUL, None, Application.UPDATED), PostedState.POSTED),
        (PostedFacts(SUCCESSFUL, None, Application.REMOVED), PostedState.NOTHING_TO_POST),
        (PostedFacts(SUCCESSFUL, None, NONE), PostedState.NOTHING_TO_POST),
        (PostedFacts(SUCCESSFUL, None, EXCEPTION), PostedState.CLOSED_MONTH),
        (PostedFacts(NOT_SENT, Reason.INTEGRATION_OFF, EXCEPTION), PostedState.CLOSED_MONTH),
        (PostedFacts(SUCCESSFUL, None, EXCEPTION, has_emr_amount=True), PostedState.CLOSED_MONTH),
        (PostedFacts(SUCCESSFUL, None, EXCEPTION, is_undecided=True), PostedState.ZERO_DUE),
        (PostedFacts(SUCCESSFUL, None, EXCEPTION, is_acknowledged=True), PostedState.ACKNOWLEDGED),
        (PostedFacts(SUCCESSFUL, None, EXCEPTION, True, True), PostedState.ACKNOWLEDGED),
        (PostedFacts(SUCCESSFUL, None, EXCEPTION, False, True, True), PostedState.POSTED),
        (PostedFacts(Status.PENDING, None, Application.HELD, is_undecided=True), PostedState.PENDING),
        (PostedFacts(NOT_SENT, Reason.TYPE_NOT_SELECTED, NONE), PostedState.NOT_SENT),
        (PostedFacts(NOT_SENT, Reason.TYPE_NOT_SELECTED, Application.REMOVED), PostedState.NOT_SENT),
        (PostedFacts(NOT_SENT, Reason.PATIENT_NOT_FOUND, NONE, is_undecided=True), PostedState.NOT_SENT),
        (PostedFacts(NOT_SENT, Reason.PATIENT_NOT_FOUND, NONE, True, True), PostedState.ACKNOWLEDGED),
        (PostedFacts(NOT_SENT, Reason.INTERNAL_PAYMENT, NONE), PostedState.INTERNAL_PAYMENT),
        (PostedFacts(NOT_SENT, Reason.INTERNAL_PAYMENT, Application.REMOVED), PostedState.INTERNAL_PAYMENT),
        (PostedFacts(Status.VALIDATION_FAILED, Reason.INVALID_EVENT, NONE), PostedState.INVALID),
    ],
)
def test_posted_state_follows_the_first_matching_rule(facts: PostedFacts, state: PostedState) -> None:
    assert posted_state(facts) is state


def test_posted_filter_offers_each_state_and_all_states_not_in_billing() -> None:
    chosen = {choice: choice.states for choice in PostedFilter}

    assert chosen.pop(PostedFilter.NOT_IN_BILLING) == NOT_IN_BILLING
    assert [state for states in chosen.values() for state in states] == list(PostedState)
    assert set(PostedState) - NOT_IN_BILLING == {
        *(PostedState.POSTED, PostedState.INTERNAL_PAYMENT, PostedState.NOTHING_TO_POST)
    }
