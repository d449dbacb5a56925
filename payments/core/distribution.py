"""Distribution: apply the credits of a patient's account to its charges (rule D8).

An account is a patient of a company, with all cases together.
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
    """The rule that decided an allocation, in the order in which the rules apply."""

    CHARGE_LOWERED = "charge_lowered"
    PAYMENT_LOWERED = "payment_lowered"
    REFUNDED = "refunded"
    ON_ACCOUNT = "on_account"
    NO_DATE = "no_date"
    OWN_DATE = "own_date"
    MORE_THAN_OWN_DATE = "more_than_own_date"
    AFTER_HOLD = "after_hold"


class Charge(NamedTuple):
    """A patient's balance for a date of service, in dollars, before any payment is applied."""

    key: ChargeKey
    date_of_service: date
    balance: Money
    insurance_open: bool


class Applied(NamedTuple):
    """The amount of a line that is applied to a charge, in dollars. A newer allocation has a higher id."""

    line_ref: int
    charge: ChargeKey
    amount: Money
    allocation_id: int


class Allocation(NamedTuple):
    """An amount applied to a charge, negative if unapplied, in dollars, and the rule that decided it."""

    line_ref: int
    charge: ChargeKey
    amount: Money
    rule: AllocationRule


@dataclass(frozen=True, slots=True)
class DistributionPolicy:
    """How a company distributes.

    `as_of` is the day of the run. Rule 4 waits for `hold` after the deposit date. `dos_first` puts rule 2 before
    rule 1. `immediate_only` leaves the four rules to the nightly run.
    """

    as_of: date
    hold: timedelta = timedelta(days=30)
    dos_first: bool = False
    immediate_only: bool = False


NIGHT_BEGINS = timedelta(hours=2)
"""The time after midnight, in the company's time zone, at which the nightly run starts."""


def night_of(local: datetime) -> date:
    """Return the day whose nightly run is due at this local time of a company."""
    return (local - NIGHT_BEGINS).date()


class Account:
    """A patient's account while its allocations are computed.

    `unapplied` is the amount left of each credit, and `outstanding` the amount left to pay of each charge, in dollars.
    """

    def __init__(
        self,
        policy: DistributionPolicy,
        credits_: Iterable[Credit],
        charges: Iterable[Charge],
        applied: Iterable[Applied],
    ) -> None:
        self.policy = policy
        self.credits = sorted(credits_, key=lambda credit: (credit.deposit_date, credit.entry_id))
        self.charges = sorted(charges, key=lambda charge: (charge.date_of_service, charge.key))
        self.applied = sorted(applied, key=lambda each: each.allocation_id, reverse=True)
        self.unapplied = {credit.line_ref: credit.amount for credit in self.credits}
        self.outstanding = {charge.key: charge.balance for charge in self.charges}
        self.allocations: list[Allocation] = []
        for each in self.applied:
            self.unapplied[each.line_ref] = self.unapplied.get(each.line_ref, ZERO) - each.amount
            self.outstanding[each.charge] = self.outstanding.get(each.charge, ZERO) - each.amount

    def allocate(self, line_ref: int, charge: ChargeKey, amount: Money, rule: AllocationRule) -> None:
        """Apply an amount of a line to a charge; a negative amount unapplies it."""
        self.unapplied[line_ref] -= amount
        self.outstanding[charge] -= amount
        self.allocations.append(Allocation(line_ref, charge, amount, rule))

    def unapply(self, applied: Sequence[Applied], amount: Money, rule: AllocationRule) -> None:
        """Unapply up to `amount` of these allocations, the newest first."""
        for index, each in enumerate(self.applied):
            part = min(each.amount, amount)
            if each in applied and part > ZERO:
                self.allocate(each.line_ref, each.charge, -part, rule)
                self.applied[index] = each._replace(amount=each.amount - part)
                amount -= part

    def apply(self, credit: Credit, charges: Iterable[Charge], rule: AllocationRule) -> None:
        """Apply the unapplied amount of a credit to charges, in their order."""
        for charge in charges:
            part = min(self.unapplied[credit.line_ref], self.outstanding[charge.key])
            if part > ZERO:
                self.allocate(credit.line_ref, charge.key, part, rule)

    def charges_due_from_patient(self) -> Iterator[Charge]:
        """Yield the charges that are closed to insurance, oldest first."""
        return (charge for charge in self.charges if not charge.insurance_open)


def distribute(account: Account) -> list[Allocation]:
    """Return the allocations that bring an account up to date, in order.

    The applied and the unapplied amounts always add up to the sum of the ledger entries.
    """
    _unapply_excess(account)
    _net_refunds(account)
    for credit in account.credits:
        if credit.on_account:
            account.apply(credit, account.charges_due_from_patient(), AllocationRule.ON_ACCOUNT)
    if not account.policy.immediate_only:
        _apply_rules(account)
    return account.allocations


def _apply_rules(account: Account) -> None:
    """Apply the four rules in order. Each rule covers every payment, by deposit date, before the next rule starts."""
    ordinary = [credit for credit in account.credits if not credit.on_account]
    rules = (
        [_allocate_to_own_date, _allocate_without_date]
        if account.policy.dos_first
        else [_allocate_without_date, _allocate_to_own_date]
    )
    for rule in (*rules, _allocate_remainder, _allocate_after_hold):
        for credit in ordinary:
            rule(account, credit)


def _unapply_excess(account: Account) -> None:
    """Unapply the excess after a charge or a payment was lowered."""
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
    """Net refunds against the payment that they refund, then the newest unapplied money, then applied money.

    Refunded money is unapplied from the charges that it paid.
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
    """Net a refund against the unapplied amount of every credit, the newest first."""
    for credit in reversed(account.credits):
        _net(account, refund, credit.line_ref)


def _net(account: Account, refund: int, line_ref: int) -> None:
    """Net a refund against the unapplied amount of one line."""
    part = min(-account.unapplied[refund], account.unapplied[line_ref])
    if part > ZERO and refund != line_ref:
        account.unapplied[refund] += part
        account.unapplied[line_ref] -= part


def _allocate_without_date(account: Account, credit: Credit) -> None:
    """Apply a payment without a date of service."""
    if credit.date_of_service is None:
        account.apply(credit, account.charges_due_from_patient(), AllocationRule.NO_DATE)


def _allocate_to_own_date(account: Account, credit: Credit) -> None:
    """Apply a payment to the charges of the same date of service."""
    own = (charge for charge in account.charges_due_from_patient() if charge.date_of_service == credit.date_of_service)
    account.apply(credit, own, AllocationRule.OWN_DATE)


def _allocate_remainder(account: Account, credit: Credit) -> None:
    """Apply the remainder of a payment, unless a charge of the same date of service is still open to insurance."""
    own = [charge for charge in account.charges if charge.date_of_service == credit.date_of_service]
    if credit.date_of_service is not None and not any(charge.insurance_open for charge in own):
        account.apply(credit, account.charges_due_from_patient(), AllocationRule.MORE_THAN_OWN_DATE)


def _allocate_after_hold(account: Account, credit: Credit) -> None:
    """Apply the remainder of a payment once it has been held for the minimum time."""
    if account.policy.as_of >= credit.deposit_date + account.policy.hold:
        account.apply(credit, account.charges_due_from_patient(), AllocationRule.AFTER_HOLD)
