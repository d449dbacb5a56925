"""Which charges a patient's money goes to: the account's credits against what the patient owes (rule D8).

All cases of a patient together; the account is the company's patient.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from payments.contract.money import ZERO, Money
from payments.core.credit import Credit

ChargeKey = tuple[str, str]
"""(clinic, charge)."""


class AllocationRule(StrEnum):
    """What decided a movement, in the order in which the rules are gone through."""

    CHARGE_LOWERED = "charge_lowered"
    PAYMENT_LOWERED = "payment_lowered"
    REFUNDED = "refunded"
    ON_ACCOUNT = "on_account"
    NO_DATE = "no_date"
    OWN_DATE = "own_date"
    MORE_THAN_OWN_DATE = "more_than_own_date"
    AFTER_HOLD = "after_hold"


class Charge(NamedTuple):
    """What a patient owes for a date of service, in dollars, before any payment is applied to it."""

    key: ChargeKey
    date_of_service: date
    balance: Money
    insurance_open: bool


class Applied(NamedTuple):
    """What of a line is applied to a charge, in dollars; `number` grows with time."""

    line_ref: int
    charge: ChargeKey
    amount: Money
    number: int


class Movement(NamedTuple):
    """Money applied to a charge, or given back (negative), in dollars, and the rule that decided it."""

    line_ref: int
    charge: ChargeKey
    amount: Money
    rule: AllocationRule


@dataclass(frozen=True, slots=True)
class DistributionPolicy:
    """How a company distributes: the day it is, Minimum Days to hold, whether the own date of service goes first.

    `immediate_only` leaves the four rules for the night: only what may not wait is done.
    """

    as_of: date
    hold: timedelta = timedelta(days=30)
    dos_first: bool = False
    immediate_only: bool = False


NIGHT_BEGINS = timedelta(hours=2)
"""How long after midnight a company's accounts are distributed."""


def night_of(local: datetime) -> date:
    """Return the day whose night has begun at a moment of a company's own time."""
    return (local - NIGHT_BEGINS).date()


class Account:
    """A patient's credits and charges while movements are worked out."""

    def __init__(
        self,
        policy: DistributionPolicy,
        credits_: Iterable[Credit],
        charges: Iterable[Charge],
        applied: Iterable[Applied],
    ) -> None:
        self.policy = policy
        self.credits = sorted(credits_, key=lambda credit: (credit.deposit_date, credit.number))
        self.charges = sorted(charges, key=lambda charge: (charge.date_of_service, charge.key))
        self.applied = sorted(applied, key=lambda each: each.number, reverse=True)
        self.unapplied = {credit.line_ref: credit.amount for credit in self.credits}
        self.outstanding = {charge.key: charge.balance for charge in self.charges}
        self.movements: list[Movement] = []
        for each in self.applied:
            self.unapplied[each.line_ref] = self.unapplied.get(each.line_ref, ZERO) - each.amount
            self.outstanding[each.charge] = self.outstanding.get(each.charge, ZERO) - each.amount

    def move(self, line_ref: int, charge: ChargeKey, amount: Money, rule: AllocationRule) -> None:
        """Apply money of a line to a charge, or give it back."""
        self.unapplied[line_ref] -= amount
        self.outstanding[charge] -= amount
        self.movements.append(Movement(line_ref, charge, amount, rule))

    def unapply(self, applied: Sequence[Applied], amount: Money, rule: AllocationRule) -> None:
        """Give `amount` back from what is applied, the newest first."""
        for index, each in enumerate(self.applied):
            part = min(each.amount, amount)
            if each in applied and part > ZERO:
                self.move(each.line_ref, each.charge, -part, rule)
                self.applied[index] = each._replace(amount=each.amount - part)
                amount -= part

    def apply(self, credit: Credit, charges: Iterable[Charge], rule: AllocationRule) -> None:
        """Apply what is left of a credit to charges, in their order."""
        for charge in charges:
            part = min(self.unapplied[credit.line_ref], self.outstanding[charge.key])
            if part > ZERO:
                self.move(credit.line_ref, charge.key, part, rule)

    def eligible(self) -> Iterator[Charge]:
        """Return the charges that the patient owes now, oldest first: closed to insurance."""
        return (charge for charge in self.charges if not charge.insurance_open)


def distribute(account: Account) -> list[Movement]:
    """Return the movements that bring an account up to date, in their order.

    Applied and unassigned money always add up to the entries: a movement only takes from one and gives to the other.
    """
    _give_back(account)
    _net_refunds(account)
    for credit in account.credits:
        if credit.on_account:
            account.apply(credit, account.eligible(), AllocationRule.ON_ACCOUNT)
    if not account.policy.immediate_only:
        _by_the_rules(account)
    return account.movements


def _by_the_rules(account: Account) -> None:
    """Go through the four rules one after the other, each for every payment in the order of their deposit."""
    ordinary = [credit for credit in account.credits if not credit.on_account]
    rules = [_own_date, _no_date] if account.policy.dos_first else [_no_date, _own_date]
    for rule in (*rules, _more_than_own_date, _after_hold):
        for credit in ordinary:
            rule(account, credit)


def _give_back(account: Account) -> None:
    """Give back what charges no longer take and payments no longer have."""
    by_charge: dict[ChargeKey, list[Applied]] = defaultdict(list)
    for each in account.applied:
        by_charge[each.charge].append(each)
    for charge, applied in by_charge.items():
        if account.outstanding[charge] < ZERO:
            account.unapply(applied, -account.outstanding[charge], AllocationRule.CHARGE_LOWERED)
    for line_ref in [line_ref for line_ref, unapplied in account.unapplied.items() if unapplied < ZERO]:
        own = [each for each in account.applied if each.line_ref == line_ref]
        account.unapply(own, -account.unapplied[line_ref], AllocationRule.PAYMENT_LOWERED)


def _net_refunds(account: Account) -> None:
    """Set refunds against what they refund, then against the newest money that is left, then against what is applied.

    Money that was paid back pays for nothing any more, whichever payment it was of.
    """
    for refund in account.credits:
        if account.unapplied[refund.line_ref] >= ZERO:
            continue
        target = refund.refund_of
        if target in account.unapplied:
            missing = -account.unapplied[refund.line_ref] - max(account.unapplied[target], ZERO)
            own = [each for each in account.applied if each.line_ref == target]
            if missing > ZERO:
                account.unapply(own, missing, AllocationRule.REFUNDED)
            _net(account, refund.line_ref, target)
        _net_with_all(account, refund.line_ref)
        if account.unapplied[refund.line_ref] < ZERO:
            account.unapply([*account.applied], -account.unapplied[refund.line_ref], AllocationRule.REFUNDED)
            _net_with_all(account, refund.line_ref)


def _net_with_all(account: Account, refund: int) -> None:
    for credit in reversed(account.credits):
        _net(account, refund, credit.line_ref)


def _net(account: Account, refund: int, line_ref: int) -> None:
    part = min(-account.unapplied[refund], account.unapplied[line_ref])
    if part > ZERO and refund != line_ref:
        account.unapplied[refund] += part
        account.unapplied[line_ref] -= part


def _no_date(account: Account, credit: Credit) -> None:
    if credit.date_of_service is None:
        account.apply(credit, account.eligible(), AllocationRule.NO_DATE)


def _own_date(account: Account, credit: Credit) -> None:
    own = (charge for charge in account.eligible() if charge.date_of_service == credit.date_of_service)
    account.apply(credit, own, AllocationRule.OWN_DATE)


def _more_than_own_date(account: Account, credit: Credit) -> None:
    """Pass over a payment whose own visit is still at insurance: it may be needed there."""
    own = [charge for charge in account.charges if charge.date_of_service == credit.date_of_service]
    if credit.date_of_service is not None and not any(charge.insurance_open for charge in own):
        account.apply(credit, account.eligible(), AllocationRule.MORE_THAN_OWN_DATE)


def _after_hold(account: Account, credit: Credit) -> None:
    if account.policy.as_of >= credit.deposit_date + account.policy.hold:
        account.apply(credit, account.eligible(), AllocationRule.AFTER_HOLD)
