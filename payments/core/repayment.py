"""Money that leaves an account: refunds that the office pays, and payments that the bank takes back (rule D8)."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from payments.contract.event import Method
from payments.contract.money import AMOUNT_MAX, ZERO, Money, total
from payments.core.account import Account
from payments.core.credit import Credit, EntrySource, SourceId
from payments.core.distribution import set_off
from payments.core.manual_entry import REASON_CHARACTERS_MAX, REFERENCE_CHARACTERS_MAX, EntryPurpose
from payments.core.person import may_be_same_person
from payments.core.request_key import hash_request

SAME_REFUND_DAYS_MAX = 31
"""The largest number of days between a refund of the EMR and one of Billing that may be the same."""
UNAPPROVED_DAYS = 30
"""The number of days over which the refunds of an account without an approval are added up."""


class RepaymentError(ValueError):
    """A refund or a returned payment cannot be requested, decided or posted. Nothing was changed."""


class RepaymentKind(StrEnum):
    """The kind of a repayment: the office pays a refund, or the bank returns a check or charges a card back."""

    REFUND = "refund"
    BOUNCED_CHECK = "bounced_check"
    CHARGEBACK = "chargeback"

    @property
    def purpose(self) -> EntryPurpose:
        """The purpose of the entry that it posts."""
        return EntryPurpose(self.value)

    @property
    def is_decided_by_bank(self) -> bool:
        """Whether the bank has taken the money before the user records it. It is then posted without an approval."""
        return self is not RepaymentKind.REFUND


class RepaymentState(StrEnum):
    """The state of a refund or a returned payment."""

    REQUESTED = "requested"
    APPROVED = "approved"
    ISSUED = "issued"
    VOIDED = "voided"


class RepaymentDraft(NamedTuple):
    """A refund or a returned payment as it is requested. `amount` and `fee` are above 0.00, in dollars.

    `fee` is what the bank charges the office for a returned payment. `method` is how the money is paid back, None for
    the method of the payment.
    """

    kind: RepaymentKind
    amount: Money
    reason: str
    method: Method | None = None
    fee: Money | None = None

    def request_hash(self, *more: object) -> bytes:
        """Return a hash of the whole request: of this draft, and of the other parts of the request in `more`."""
        return hash_request(*self, *more)


@dataclass(frozen=True, slots=True)
class Decisions:
    """The decisions about a refund, with their times and users. A decision that is not made yet is None."""

    requested_at: datetime
    requested_by: str
    approved_at: datetime | None = None
    approved_by: str | None = None
    issued_at: datetime | None = None
    issued_by: str | None = None
    voided_at: datetime | None = None
    voided_by: str | None = None
    void_reason: str | None = None

    @property
    def state(self) -> RepaymentState:
        """The state that follows from the decisions."""
        if self.voided_at is not None:
            return RepaymentState.VOIDED
        if self.issued_at is not None:
            return RepaymentState.ISSUED
        return RepaymentState.REQUESTED if self.approved_at is None else RepaymentState.APPROVED


def check_draft(draft: RepaymentDraft, method: Method | None) -> None:
    """Raise RepaymentError if a draft breaks a rule that depends on no account.

    `method` is that of the payment that is paid back, None for an account's credit.
    """
    if not ZERO < draft.amount <= AMOUNT_MAX:
        raise RepaymentError(f"the amount must be above 0.00 and at most {AMOUNT_MAX:,}")
    if not draft.reason.strip() or len(draft.reason) > REASON_CHARACTERS_MAX:
        raise RepaymentError(f"a reason of 1 to {REASON_CHARACTERS_MAX} characters is needed")
    if draft.kind.is_decided_by_bank and method is None:
        raise RepaymentError("name the payment that the bank took back")
    if draft.kind is RepaymentKind.BOUNCED_CHECK and method is not Method.CHECK:
        raise RepaymentError(f"only a payment by check can bounce; the method of this one is {method}")
    if draft.fee is not None and not (draft.kind.is_decided_by_bank and ZERO <= draft.fee <= AMOUNT_MAX):
        raise RepaymentError("a fee belongs to a bounced check or a chargeback, and is 0.00 or more")


def check_reference(reference: str) -> None:
    """Raise RepaymentError unless a reference, such as the number of the refund check, is given and can be stored."""
    if not reference.strip() or len(reference) > REFERENCE_CHARACTERS_MAX:
        raise RepaymentError(f"a reference of 1 to {REFERENCE_CHARACTERS_MAX} characters is needed")


def check_approval(decisions: Decisions, who: str) -> None:
    """Raise RepaymentError unless a refund waits for an approval, and another person than this user requested it."""
    if decisions.state is not RepaymentState.REQUESTED:
        raise RepaymentError(f"the refund is {decisions.state} already")
    if may_be_same_person(decisions.requested_by, who):
        raise RepaymentError("nobody approves their own request; another person must approve it")


def needs_approval(amount: Money, unapproved: Money, limit: Money) -> bool:
    """Return whether another person must approve a refund before it is issued.

    `limit` is the amount up to which the company needs no approval. `unapproved` is the sum of the account's other
    refunds of the last UNAPPROVED_DAYS days without an approval, so that a large refund cannot be split into small
    ones. All are in dollars.
    """
    return amount + unapproved > limit


class PendingRepayment(NamedTuple):
    """A refund that is requested and not issued yet: its id, its amount in dollars, and its source of money.

    `target` is None for the account's credit.
    """

    id: int
    amount: Money
    target: SourceId | None


def available_amount(
    account: Account, target: SourceId | None, pending: Iterable[PendingRepayment], today: date
) -> Money:
    """Return the largest amount that may be paid back, in dollars.

    Of a payment: the sum of its entries less its refunds. Money that is applied to charges is included, because a
    refund unapplies it. Of an account's credit (`target` is None): the money that is not applied. `pending` are the
    other refunds of the account that are not issued yet. Their money is reserved.
    """
    reserved = [
        Credit(EntrySource(-each.id), 0, -each.amount, today, None, on_account=False, refund_of=each.target)
        for each in pending
    ]
    rest = Account(account.policy, [*account.credits, *reserved], account.charges, account.applied)
    set_off(rest)
    if target is None:
        return max(ZERO, total(rest.unapplied.values()))
    applied = total(each.amount for each in rest.applied if each.source == target)
    return max(ZERO, rest.unapplied.get(target, ZERO) + applied)


def check_amount(amount: Money, available: Money, *, is_credit: bool) -> None:
    """Raise RepaymentError if an amount exceeds the available amount of a payment or of an account's credit."""
    if amount > available:
        source = "the account's credit" if is_credit else "the payment"
        raise RepaymentError(f"at most {available:,} of {source} can be paid back; {amount:,} is more")


class RefundInEmr(NamedTuple):
    """A refund line of the EMR: the id of its row, its account, its amount above 0.00, and its transaction date.

    `target` is the row id of the line that it refunds, None if that line is unknown.
    """

    line_ref: int
    account: tuple[str, str]
    amount: Money
    day: date
    target: int | None


class RefundInBilling(NamedTuple):
    """A refund of Billing: its id, account, amount, day and source of money. `target` is None for a credit."""

    id: int
    account: tuple[str, str]
    amount: Money
    day: date
    target: SourceId | None


def same_refunds(billing: Sequence[RefundInBilling], emr: Sequence[RefundInEmr]) -> Mapping[int, int]:
    """Return the refunds that both sides may have, as a map from the id in Billing to the row id of the EMR's line.

    Two refunds may be the same if account and amount are equal, their dates differ by at most SAME_REFUND_DAYS_MAX
    days, and they do not name different payments. Each refund is matched once, those with the closest dates first.
    """
    possible = sorted(
        (abs(one.day - other.day), one.id, other.line_ref)
        for one in billing
        for other in emr
        if (one.account, one.amount) == (other.account, other.amount)
        and abs(one.day - other.day) <= timedelta(days=SAME_REFUND_DAYS_MAX)
        and (one.target is None or other.target is None or one.target == other.target)
    )
    found: dict[int, int] = {}
    for _, refund_id, line_ref in possible:
        if refund_id not in found and line_ref not in found.values():
            found[refund_id] = line_ref
    return found
