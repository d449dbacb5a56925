"""Wording of the posted state of payments: render codes as text for users. It decides nothing."""

from payments.contract.money import ZERO, Money
from payments.core.posted import NOT_IN_BILLING, PostedState

POSTED_STATES = {
    PostedState.POSTED: "In Billing",
    PostedState.CLOSED_MONTH: "Closed month: a biller decides about the exception",
    PostedState.ZERO_DUE: "Amount Due is 0.00: a biller decides about the exception",
    PostedState.ACKNOWLEDGED: "Acknowledged: a biller decided to post nothing",
    PostedState.PENDING: "Pending: waiting for the next attempt",
    PostedState.NOT_SENT: "Not Sent",
    PostedState.INVALID: "Validation Failed",
    PostedState.INTERNAL_PAYMENT: "Internal Payment: stays in the EMR",
    PostedState.NOTHING_TO_POST: "Nothing to post",
}
_LABELS = {
    PostedState.POSTED: "In Billing",
    PostedState.INTERNAL_PAYMENT: "Internal",
    PostedState.NOTHING_TO_POST: "Nothing to post",
}


def posted_state(code: str | None) -> str:
    """Return whether a payment is in Billing and, if not, why. Empty if the code is None."""
    return POSTED_STATES[PostedState(code)] if code else ""


def posted_cause(code: str, reason: str | None) -> str:
    """Return why payments are not in Billing. `reason` is set for payments that are Not Sent or invalid."""
    return f"{posted_state(code)}: {reason.replace('_', ' ')}" if reason else posted_state(code)


def posted_label(code: str | None, posted_amount: Money = ZERO) -> str:
    """Return a short label: whether a payment is in Billing.

    `posted_amount` is the amount that Billing holds, in dollars.
    """
    if not code:
        return ""
    state = PostedState(code)
    if state in NOT_IN_BILLING:
        return f"Differs: {posted_amount:,.2f} in Billing" if posted_amount else "Not in Billing"
    return _LABELS[state]
