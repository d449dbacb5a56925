"""Wording of the posted state of payments: render codes as text for users. It decides nothing."""

from payments import wording
from payments.contract.money import ZERO, Money
from payments.core.finding import FindingReason
from payments.core.outcome import Reason, Status
from payments.core.posted import NOT_IN_BILLING, PostedFilter, PostedState

POSTED_TERMS = {
    PostedFilter.NOT_IN_BILLING: "Not in Billing",
    PostedFilter.POSTED: "In Billing",
    PostedFilter.CLOSED_MONTH: "Closed month",
    PostedFilter.ZERO_DUE: wording.FINDING_REASONS[FindingReason.ZERO_DUE],
    PostedFilter.ACKNOWLEDGED: "Acknowledged",
    PostedFilter.PENDING: Status.PENDING.value,
    PostedFilter.NOT_SENT: Status.NOT_SENT.value,
    PostedFilter.INVALID: Status.VALIDATION_FAILED.value,
    PostedFilter.INTERNAL_PAYMENT: wording.REASON_TERMS[Reason.INTERNAL_PAYMENT],
    PostedFilter.NOTHING_TO_POST: "Nothing to post",
}
_MEANINGS = {
    PostedState.CLOSED_MONTH: "waiting for a biller's decision",
    PostedState.ZERO_DUE: "waiting for a biller's decision",
    PostedState.ACKNOWLEDGED: "a biller decided to post nothing",
    PostedState.PENDING: "waiting for the next attempt",
    PostedState.INTERNAL_PAYMENT: "stays in the EMR",
}


def posted_term(code: str) -> str:
    """Return the term of a posted state or of the filter `not_in_billing`. `code` is a value of PostedFilter."""
    return POSTED_TERMS[PostedFilter(code)]


def posted_state(code: str | None) -> str:
    """Return whether a payment is in Billing and, if not, why. Empty if the code is None."""
    if not code:
        return ""
    return ": ".join(filter(None, (posted_term(code), _MEANINGS.get(PostedState(code)))))


def posted_cause(code: str, reason: str | None) -> str:
    """Return why payments are not in Billing. `reason` is set for payments that are Not Sent or invalid."""
    return f"{posted_term(code)}: {wording.reason_term(reason)}" if reason else posted_state(code)


def posted_label(code: str | None, posted_amount: Money = ZERO) -> str:
    """Return a short label: whether a payment is in Billing.

    `posted_amount` is the amount that Billing holds, in dollars.
    """
    if not code:
        return ""
    state = PostedState(code)
    if state in NOT_IN_BILLING:
        return f"Differs: {posted_amount:,.2f} in Billing" if posted_amount else "Not in Billing"
    return posted_term(state)
