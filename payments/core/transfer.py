"""Transfers: the money of an account or of a payment is moved to the account of another patient (rule D8)."""

from datetime import date
from enum import StrEnum
from typing import NamedTuple

from payments.contract.money import AMOUNT_MAX, ZERO, Money
from payments.core.manual_entry import REASON_CHARACTERS_MAX
from payments.core.request_key import hash_request


class TransferError(ValueError):
    """A transfer cannot be made or undone. Nothing was changed."""


class TransferState(StrEnum):
    """Whether a transfer still counts."""

    POSTED = "posted"
    UNDONE = "undone"


class TransferDraft(NamedTuple):
    """A transfer as it is requested. `amount` is in dollars, None for all money that can be moved.

    `deposit_date` is that of both entries, None for the current day of the company.
    """

    to_patient_id: str
    reason: str
    amount: Money | None = None
    deposit_date: date | None = None

    def request_hash(self, *more: object) -> bytes:
        """Return a hash of the whole request: of this draft, and of the other parts of the request in `more`."""
        return hash_request(*self, *more)


def check_draft(draft: TransferDraft, from_patient_id: str) -> None:
    """Raise TransferError if a draft breaks a rule that depends on no amounts of the account."""
    if draft.to_patient_id == from_patient_id:
        raise TransferError(f"the money belongs to patient {from_patient_id} already; name another patient")
    check_reason(draft.reason)
    if draft.amount is not None and not ZERO < draft.amount <= AMOUNT_MAX:
        raise TransferError(f"the amount must be above 0.00 and at most {AMOUNT_MAX:,}")


def check_reason(reason: str) -> None:
    """Raise TransferError unless a reason is given and can be stored."""
    if not reason.strip() or len(reason) > REASON_CHARACTERS_MAX:
        raise TransferError(f"a reason of 1 to {REASON_CHARACTERS_MAX} characters is needed")


def amount_to_move(draft: TransferDraft, available: Money, *, is_credit: bool) -> Money:
    """Return the amount that a transfer moves, in dollars. `available` is the largest amount that can be moved.

    Raises TransferError if there is no money to move, or less than the draft names.
    """
    source = "the account's credit" if is_credit else "the payment"
    amount = available if draft.amount is None else draft.amount
    if available == ZERO:
        raise TransferError(f"no money of {source} can be moved")
    if amount > available:
        raise TransferError(f"at most {available:,} of {source} can be moved; {amount:,} is more")
    return amount


def check_undo(amount: Money, available: Money, to_patient_id: str) -> None:
    """Raise TransferError unless the receiving account still has the moved money. Amounts are in dollars."""
    if amount > available:
        raise TransferError(
            f"patient {to_patient_id} has only {available:,} of the moved money; void the refund, undo the transfer or "
            "reverse the entry that has taken the rest"
        )
