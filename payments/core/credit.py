"""What a line of a payment adds up to on a patient's account: its credit, worked out from the ledger alone."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from payments.contract.event import ChargeType
from payments.contract.money import ZERO, Money, sums, total


class Credit(NamedTuple):
    """What a line adds up to on an account, in dollars; `number` orders lines of one deposit date."""

    line_ref: int
    number: int
    amount: Money
    deposit_date: date
    date_of_service: date | None
    on_account: bool
    refund_of: int | None = None  # the line that this one refunds


class EntryGroup(NamedTuple):
    """Entries of a line that share all of this: their sum in dollars, and the first one's number."""

    charge_type: str
    date_of_service: date | None
    deposit_date: date
    amount: Money
    number: int


def credit_of(line_ref: int, parts: Sequence[EntryGroup], refund_of: int | None = None) -> Credit:
    """Return what a line adds up to, as it stands in the ledger.

    A change that a closed month or a person still keeps out has no say in it, nor has what was taken out again: its
    date of service and its type are those of the money that is left, and so is its deposit date, from which it is held.
    """
    amount, number = total(part.amount for part in parts), min(part.number for part in parts)
    if len(parts) == 1:
        charge_type, day, deposited = parts[0][:3]
    else:
        (charge_type, day), deposited = _left_where(parts, amount), _left_since(parts, amount)
    on_account = charge_type == ChargeType.PAYMENT_ON_ACCOUNT
    return Credit(line_ref, number, amount, deposited, None if on_account else day, on_account, refund_of)


def _left_where(parts: Sequence[EntryGroup], amount: Money) -> tuple[str, date | None]:
    left = sums(((part.charge_type, part.date_of_service), part.amount) for part in parts)
    return max(left, key=lambda where: left[where] * amount)


def _left_since(parts: Sequence[EntryGroup], amount: Money) -> date:
    """Return the oldest day with money left: what was taken out on other days was taken from the oldest first."""
    left = sums((part.deposit_date, part.amount if amount >= ZERO else -part.amount) for part in parts)
    out = -total(each for each in left.values() if each < ZERO)
    for day in sorted(left):
        out -= max(left[day], ZERO)
        if out < ZERO:
            return day
    return min(left)
