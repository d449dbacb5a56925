"""The posted state of a payment: whether its money is in the Billing ledger and, if not, why (rule D5).

A payment has two states. The Transmission status tells whether Billing has received the payment. The posted state tells
whether the ledger holds the amount of the newest version. The first matching rule decides.
`payments/store/feed/posted.py` renders the same rules as SQL.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from payments.core.outcome import Application, Reason, Status


class PostedState(StrEnum):
    """The posting state of a payment's newest version: in the ledger, or the cause why it is not."""

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
"""The states of payments that Billing does not hold in full, except Internal Payments, which stay in the EMR."""


class PostedFilter(StrEnum):
    """A filter for payments by posted state: one state, or all states of NOT_IN_BILLING."""

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
        """The states that the filter selects."""
        return NOT_IN_BILLING if self is PostedFilter.NOT_IN_BILLING else frozenset({PostedState(self.value)})


class PostedFacts(NamedTuple):
    """The stored codes that decide the posted state of a payment on the Claims Feed.

    - `is_undecided`: whether the target is undecided.
    - `is_acknowledged`: whether a biller acknowledged the exception of this attempt.
    - `has_emr_amount`: whether the target is the EMR's amount and the ledger holds it.
    """

    status: Status
    reason: Reason | None
    application: Application
    is_undecided: bool = False
    is_acknowledged: bool = False
    has_emr_amount: bool = False


class PostedRule(NamedTuple):
    """A rule: a payment has `state` if all conditions in `when` hold.

    `when` maps the name of a fact to the values that match. Facts without an entry do not matter.
    """

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
    """Return the posted state of a payment. The first matching rule decides."""
    values = facts._asdict()
    return next(
        rule.state for rule in POSTED_RULES if all(values[name] in wanted for name, wanted in rule.when.items())
    )
