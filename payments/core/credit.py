"""Compute the credit of a line, which is its amount on a patient's account, from its ledger entries (rule D8)."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from payments.contract.event import ChargeType
from payments.contract.money import ZERO, Money, sum_by_key, total


class Credit(NamedTuple):
    """The amount of a line on an account, in dollars.

    `entry_id` is the line's first entry. It orders lines with the same deposit date. `refund_of` is the row id of the
    line that this line refunds, None if it is not a refund.
    """

    line_ref: int
    entry_id: int
    amount: Money
    deposit_date: date
    date_of_service: date | None
    on_account: bool
    refund_of: int | None = None


class EntryGroup(NamedTuple):
    """Entries of a line with the same charge type and dates: their sum in dollars, and the id of the first entry."""

    charge_type: str
    date_of_service: date | None
    deposit_date: date
    amount: Money
    entry_id: int


def credit_of(line_ref: int, groups: Sequence[EntryGroup], refund_of: int | None = None) -> Credit:
    """Return the credit of a line: the sum of its posted entries. An amount that is not posted yet does not count.

    `groups` are the line's entries, grouped. They may differ in charge type or date of service. The credit then has the
    charge type and date with the largest remaining amount. Its deposit date is the oldest one with a remaining amount.
    The hold period starts on that date.
    """
    amount, entry_id = total(group.amount for group in groups), min(group.entry_id for group in groups)
    if len(groups) == 1:
        charge_type, day, deposited = groups[0][:3]
    else:
        charge_type, day = _largest_remaining_type_and_date(groups, amount)
        deposited = _oldest_remaining_date(groups, amount)
    on_account = charge_type == ChargeType.PAYMENT_ON_ACCOUNT
    return Credit(
        line_ref=line_ref,
        entry_id=entry_id,
        amount=amount,
        deposit_date=deposited,
        date_of_service=None if on_account else day,
        on_account=on_account,
        refund_of=refund_of,
    )


def _largest_remaining_type_and_date(groups: Sequence[EntryGroup], amount: Money) -> tuple[str, date | None]:
    """Return the charge type and date of service whose entries have the largest sum with the sign of `amount`."""
    remaining = sum_by_key(((group.charge_type, group.date_of_service), group.amount) for group in groups)
    return max(remaining, key=lambda type_and_date: remaining[type_and_date] * amount)


def _oldest_remaining_date(groups: Sequence[EntryGroup], amount: Money) -> date:
    """Return the oldest deposit date with a remaining amount. Reversals reduce the oldest dates first."""
    remaining = sum_by_key((group.deposit_date, group.amount if amount >= ZERO else -group.amount) for group in groups)
    reversed_amount = -total(each for each in remaining.values() if each < ZERO)
    for day in sorted(remaining):
        reversed_amount -= max(remaining[day], ZERO)
        if reversed_amount < ZERO:
            return day
    return min(remaining)
