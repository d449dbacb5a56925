"""The posted state of a payment: whether its money is in the Billing ledger and, if not, why (rule D5).

The Transmission status of a payment tells whether Billing has received the payment. The posted state tells whether the
ledger holds the amount of the newest version. The first matching rule of POSTED_RULES decides it.
`payments/store/feed/posted.py` renders the same rules as SQL.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from payments.core.outcome import Application, Reason, Status


class PostedState(StrEnum):
    """The posted state of a payment's newest version: POSTED, or the cause for which it is not in the ledger."""

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
    """A filter by posted state: one state, or `not_in_billing` for all states in NOT_IN_BILLING."""

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
    """The stored facts that decide the posted state of a payment on the Claims Feed.

    - `is_undecided`: whether the outcome has no target.
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

    `when` maps the name of a fact to the values that match. A fact that is not in `when` may have any value.
    """

    state: PostedState
    when: Mapping[str, tuple[object, ...]]


_IS_EXCEPTION: dict[str, tuple[object, ...]] = {"application": (Application.EXCEPTION,)}
_IS_NOT_SENT: dict[str, tuple[object, ...]] = {"status": (Status.NOT_SENT,)}

POSTED_RULES = (
    PostedRule(PostedState.PENDING, {"status": (Status.PENDING,)}),
    PostedRule(PostedState.INVALID, {"status": (Status.VALIDATION_FAILED,)}),
    # Only a date or a note differs, and a biller has agreed.
    PostedRule(PostedState.POSTED, _IS_EXCEPTION | {"is_acknowledged": (True,), "has_emr_amount": (True,)}),
    PostedRule(PostedState.ACKNOWLEDGED, _IS_EXCEPTION | {"is_acknowledged": (True,)}),
    PostedRule(PostedState.ZERO_DUE, _IS_EXCEPTION | {"is_undecided": (True,)}),
    PostedRule(PostedState.CLOSED_MONTH, _IS_EXCEPTION),
    PostedRule(PostedState.INTERNAL_PAYMENT, _IS_NOT_SENT | {"reason": (Reason.INTERNAL_PAYMENT,)}),
    PostedRule(
        PostedState.ACKNOWLEDGED, _IS_NOT_SENT | {"reason": (Reason.PATIENT_NOT_FOUND,), "is_acknowledged": (True,)}
    ),
    PostedRule(PostedState.NOT_SENT, _IS_NOT_SENT),
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
