"""The posted state of a payment: whether its money is in the Billing ledger and, if not, why (rule D5).

A payment has two states. The Transmission status tells whether it was delivered to Billing. The posted state tells
whether the ledger holds what the newest version states. The first rule that matches decides. SQL evaluates the same
rules: `payments/store/feed/posted.py` renders them.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from payments.core.outcome import Application, Reason, Status


class PostedState(StrEnum):
    """Whether the newest version of a payment is in the ledger, and why not."""

    POSTED = "posted"
    CLOSED_MONTH = "closed_month"
    ZERO_DUE = "zero_due"
    ACKNOWLEDGED = "acknowledged"
    PENDING = "pending"
    NOT_SENT = "not_sent"
    INVALID = "invalid"
    INTERNAL_PAYMENT = "internal_payment"
    NOTHING_TO_POST = "nothing_to_post"


NOT_IN_BILLING = frozenset(
    {
        PostedState.CLOSED_MONTH,
        PostedState.ZERO_DUE,
        PostedState.ACKNOWLEDGED,
        PostedState.PENDING,
        PostedState.NOT_SENT,
        PostedState.INVALID,
    }
)
"""The states of payments that Billing should hold, and does not hold in full. Internal Payments stay in the EMR."""


class PostedFilter(StrEnum):
    """A choice of payments by their posted state: one state, or all of NOT_IN_BILLING."""

    NOT_IN_BILLING = "not_in_billing"
    POSTED = "posted"
    CLOSED_MONTH = "closed_month"
    ZERO_DUE = "zero_due"
    ACKNOWLEDGED = "acknowledged"
    PENDING = "pending"
    NOT_SENT = "not_sent"
    INVALID = "invalid"
    INTERNAL_PAYMENT = "internal_payment"
    NOTHING_TO_POST = "nothing_to_post"

    @property
    def states(self) -> frozenset[PostedState]:
        """The states that the choice selects."""
        return NOT_IN_BILLING if self is PostedFilter.NOT_IN_BILLING else frozenset({PostedState(self.value)})


class PostedFacts(NamedTuple):
    """The stored codes that decide the posted state of a payment on the Claims Feed.

    - `is_undecided`: the amount that Billing should hold is not decided.
    - `is_acknowledged`: a biller acknowledged the exception of this attempt at the payment.
    - `has_emr_amount`: the ledger holds the amount that the EMR states, and should hold it.
    """

    status: Status
    reason: Reason | None
    application: Application
    is_undecided: bool = False
    is_acknowledged: bool = False
    has_emr_amount: bool = False


class PostedRule(NamedTuple):
    """A posted state, and for each fact that matters the values with which the rule matches."""

    state: PostedState
    when: Mapping[str, tuple[object, ...]]


_EXCEPTION: dict[str, tuple[object, ...]] = {"application": (Application.EXCEPTION,)}
_NOT_SENT: dict[str, tuple[object, ...]] = {"status": (Status.NOT_SENT,)}

POSTED_RULES = (
    PostedRule(PostedState.PENDING, {"status": (Status.PENDING,)}),
    PostedRule(PostedState.INVALID, {"status": (Status.VALIDATION_FAILED,)}),
    # Only a date or a note differs, and a biller has agreed.
    PostedRule(PostedState.POSTED, _EXCEPTION | {"is_acknowledged": (True,), "has_emr_amount": (True,)}),
    PostedRule(PostedState.ACKNOWLEDGED, _EXCEPTION | {"is_acknowledged": (True,)}),
    PostedRule(PostedState.ZERO_DUE, _EXCEPTION | {"is_undecided": (True,)}),
    PostedRule(PostedState.CLOSED_MONTH, _EXCEPTION),
    PostedRule(PostedState.INTERNAL_PAYMENT, _NOT_SENT | {"reason": (Reason.INTERNAL_PAYMENT,)}),
    PostedRule(
        PostedState.ACKNOWLEDGED, _NOT_SENT | {"reason": (Reason.PATIENT_NOT_FOUND,), "is_acknowledged": (True,)}
    ),
    PostedRule(PostedState.NOT_SENT, _NOT_SENT),
    PostedRule(PostedState.POSTED, {"application": (Application.IMPORTED, Application.UPDATED)}),
    PostedRule(PostedState.NOTHING_TO_POST, {}),
)
"""The rules in order. The last one matches everything."""


def posted_state(facts: PostedFacts) -> PostedState:
    """Return the posted state of a payment: that of the first rule that matches."""
    values = facts._asdict()
    return next(
        rule.state for rule in POSTED_RULES if all(values[name] in wanted for name, wanted in rule.when.items())
    )
