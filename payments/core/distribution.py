"""Distribution: apply the credits of a patient's account to its charges (rule D8)."""

from collections import defaultdict
from collections.abc import Set
from datetime import date, datetime, timedelta

from payments.contract.keys import ChargeKey
from payments.contract.money import ZERO, total
from payments.core.account import Account, Allocation, AllocationRule, AppliedAmount
from payments.core.credit import Credit

NIGHT_BEGINS = timedelta(hours=2)
"""The time after midnight, in the company's time zone, at which the nightly run starts."""


def nightly_run_date(local: datetime) -> date:
    """Return the date of the nightly run that is due at this local time of a company."""
    return (local - NIGHT_BEGINS).date()


def distribute(account: Account) -> list[Allocation]:
    """Apply and unapply the money of an account by rule D8. Return the new allocations in order.

    After each allocation, the applied plus the unapplied amounts equal the sum of the ledger entries.
    """
    newly_saved = {charge.key for charge in account.newly_saved}
    _unapply_lowered_charges(account, newly_saved)
    set_off(account)
    if newly_saved:
        account.determine_paid()
        _unapply_lowered_charges(account)
    for credit in account.credits:
        if credit.on_account:
            account.apply(credit, account.charges_due_from_patient(), AllocationRule.ON_ACCOUNT)
    if not account.policy.immediate_only:
        _apply_rules(account)
    return account.allocations


def set_off(account: Account) -> None:
    """Set lowered payments, refunds and negative entries off against the account's money, before anything is applied.

    Changes the amounts of the account, and appends allocations for what is unapplied.
    """
    _unapply_lowered_payments(account)
    _offset_refunds(account)
    _net_negative_entries(account)


def _apply_rules(account: Account) -> None:
    """Apply the four rules in order. Each rule handles all payments, ordered by deposit date, before the next rule."""
    ordinary = [credit for credit in account.credits if not credit.on_account]
    rules = (
        [_allocate_to_own_date, _allocate_without_date]
        if account.policy.dos_first
        else [_allocate_without_date, _allocate_to_own_date]
    )
    for rule in (*rules, _allocate_remainder, _allocate_after_hold):
        for credit in ordinary:
            rule(account, credit)


def _unapply_lowered_payments(account: Account) -> None:
    """If the applied amount of a payment exceeds the payment, unapply the excess."""
    for source in [source for source, unapplied in account.unapplied.items() if unapplied < ZERO]:
        own = [each for each in account.applied if each.source == source]
        account.unapply(own, -account.unapplied[source], AllocationRule.PAYMENT_LOWERED)


def _unapply_lowered_charges(account: Account, omitted: Set[ChargeKey] = frozenset()) -> None:
    """If more is applied to a charge than the patient owes, unapply the excess. Skip the charges in `omitted`."""
    by_charge: dict[ChargeKey, list[AppliedAmount]] = defaultdict(list)
    for each in account.applied:
        by_charge[each.charge].append(each)
    for charge, applied in by_charge.items():
        if account.outstanding[charge] < ZERO and charge not in omitted:
            account.unapply(applied, -account.outstanding[charge], AllocationRule.CHARGE_LOWERED)


def _offset_refunds(account: Account) -> None:
    """Deduct each refund from the unapplied amount of the payment that it refunds.

    If that amount is too small, first unapply money of the payment from charges. Money of other payments stays applied.
    If a refund exceeds its payment, the excess remains as a negative unapplied amount of the refund.
    """
    for refund in account.credits:
        missing = -account.unapplied[refund.source]
        target = refund.refund_of
        if missing <= ZERO or target is None or target not in account.unapplied:
            continue
        own = [each for each in account.applied if each.source == target]
        account.unapply(own, missing - max(account.unapplied[target], ZERO), AllocationRule.REFUNDED)
        netted = max(ZERO, min(missing, account.unapplied[target]))
        account.unapplied[refund.source] += netted
        account.unapplied[target] -= netted


def _net_negative_entries(account: Account) -> None:
    """Deduct each negative manual entry that belongs to no payment from the money of the whole account.

    Deduct from unapplied amounts first, oldest first. Then deduct from money that is applied to charges, newest first.
    If the account has less money, the rest stays as a negative unapplied amount of the entry.
    """
    for entry in account.credits:
        missing = -account.unapplied[entry.source]
        if missing <= ZERO or not entry.is_unlinked_entry or entry.refund_of is not None:
            continue
        free = total(max(account.unapplied[each.source], ZERO) for each in account.credits)
        own = [each for each in account.applied if each.source in account.unapplied]
        account.unapply(own, missing - min(missing, free), AllocationRule.NEGATIVE_ENTRY)
        for each in account.credits:
            netted = min(missing, max(account.unapplied[each.source], ZERO))
            account.unapplied[each.source] -= netted
            account.unapplied[entry.source] += netted
            missing -= netted


def _allocate_without_date(account: Account, credit: Credit) -> None:
    """Apply a payment without a date of service to the oldest charges (rule 1)."""
    if credit.date_of_service is None:
        account.apply(credit, account.charges_due_from_patient(), AllocationRule.NO_DATE)


def _allocate_to_own_date(account: Account, credit: Credit) -> None:
    """Apply a payment to the charges of its date of service (rule 2)."""
    own = (charge for charge in account.charges_due_from_patient() if charge.date_of_service == credit.date_of_service)
    account.apply(credit, own, AllocationRule.OWN_DATE)


def _allocate_remainder(account: Account, credit: Credit) -> None:
    """Apply the remainder of a payment to the oldest charges (rule 3).

    Skip a payment without a date of service. Also skip a payment while a charge of its date of service is open to
    insurance.
    """
    own = [charge for charge in account.charges if charge.date_of_service == credit.date_of_service]
    if credit.date_of_service is not None and not any(charge.insurance_open for charge in own):
        account.apply(credit, account.charges_due_from_patient(), AllocationRule.MORE_THAN_OWN_DATE)


def _allocate_after_hold(account: Account, credit: Credit) -> None:
    """Apply the remainder of a payment to the oldest charges once it has been held for the minimum time (rule 4)."""
    if account.policy.as_of >= credit.deposit_date + account.policy.hold:
        account.apply(credit, account.charges_due_from_patient(), AllocationRule.AFTER_HOLD)
