"""Compute the credit of a line, or of a manual entry, on a patient's account from ledger entries (rule D8)."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from payments.contract.event import ChargeType
from payments.contract.money import ZERO, Money, sum_by_key, total


class EntrySource(NamedTuple):
    """A source of money: the manual entry with this row id, which belongs to no line, together with its reversal."""

    entry_ref: int


SourceId = int | EntrySource
"""A source of money on an account: the row id of a line, or a manual entry that belongs to no line."""


class Credit(NamedTuple):
    """The amount of a line or a manual entry on an account, in dollars.

    `entry_id` is the first entry of the source. It orders sources with the same deposit date. `on_account` tells
    whether the charge type is Payment on Account. `refund_of` is the source that this one refunds, None if it is not a
    refund.
    """

    source: SourceId
    entry_id: int
    amount: Money
    deposit_date: date
    date_of_service: date | None
    on_account: bool
    refund_of: SourceId | None = None

    @property
    def is_unlinked_entry(self) -> bool:
        """Whether the source is a manual entry that belongs to no line."""
        return isinstance(self.source, EntrySource)


class EntryGroup(NamedTuple):
    """Entries of a source with the same charge type and dates: their sum in dollars, and the id of the first entry."""

    charge_type: str
    date_of_service: date | None
    deposit_date: date
    amount: Money
    entry_id: int


def credit_of(source: SourceId, groups: Sequence[EntryGroup], refund_of: SourceId | None = None) -> Credit:
    """Return the credit of a source: the sum of its posted entries.

    `groups` are the entries of the source, grouped. Entries that an open exception proposes do not count.

    The entries may differ in charge type or date of service. The credit then has the charge type and date with the
    largest remaining amount. Its deposit date is the oldest one with a remaining amount; the hold period starts on that
    date.
    """
    amount, entry_id = total(group.amount for group in groups), min(group.entry_id for group in groups)
    if len(groups) == 1:
        charge_type, day, deposited = groups[0][:3]
    else:
        charge_type, day = _largest_remaining_type_and_date(groups, amount)
        deposited = _oldest_remaining_date(groups, amount)
    on_account = charge_type == ChargeType.PAYMENT_ON_ACCOUNT
    return Credit(
        source=source,
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
