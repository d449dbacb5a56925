"""Refunds (rule D8): how much may be paid back, who decides, and the same refund from both sides."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.contract.money import dollars
from payments.core.account import Account, AppliedAmount, Charge, DistributionPolicy
from payments.core.credit import Credit, EntrySource, SourceId
from payments.core.distribution import distribute
from payments.core.repayment import (
    Decisions,
    PendingRepayment,
    RefundInBilling,
    RefundInEmr,
    RepaymentState,
    available_amount,
    needs_approval,
    same_refunds,
)

TODAY = date(2026, 6, 30)
POLICY = DistributionPolicy(TODAY, immediate_only=True)
VISIT = ("clinic", "visit")
ACCOUNT = ("company", "patient")


def credit(source: SourceId, amount: str, refund_of: SourceId | None = None) -> Credit:
    number = source if isinstance(source, int) else source.entry_ref
    return Credit(source, number, dollars(amount), TODAY, None, on_account=False, refund_of=refund_of)


def account(*credits_: Credit, applied: dict[SourceId, str] | None = None) -> Account:
    moved = [AppliedAmount(source, VISIT, dollars(amount), 1) for source, amount in (applied or {}).items()]
    return Account(POLICY, credits_, [Charge(VISIT, TODAY, dollars("500.00"), False, dollars("0.00"))], moved)


def pending(amount: str, target: SourceId | None) -> PendingRepayment:
    return PendingRepayment(1, dollars(amount), target)


PAID = credit(1, "50.00")
OTHER = credit(2, "30.00")


@pytest.mark.parametrize(
    ("held", "target", "others", "expected"),
    [
        (account(PAID), 1, [], "50.00"),
        (account(PAID), None, [], "50.00"),
        (account(PAID, applied={1: "40.00"}), 1, [], "50.00"),
        (account(PAID, applied={1: "40.00"}), None, [], "10.00"),
        (account(PAID, OTHER), 1, [], "50.00"),
        (account(PAID, OTHER), None, [], "80.00"),
        (account(PAID, credit(3, "-20.00", 1)), 1, [], "30.00"),
        (account(PAID, credit(EntrySource(3), "-20.00", 1)), 1, [], "30.00"),
        (account(PAID, credit(EntrySource(3), "-70.00", 1)), 1, [], "0.00"),
        (account(PAID, OTHER, credit(EntrySource(3), "-70.00", 1)), 2, [], "30.00"),
        (account(PAID, OTHER, credit(EntrySource(3), "-70.00", 1)), None, [], "10.00"),
        (account(PAID, OTHER, credit(EntrySource(3), "-60.00")), None, [], "20.00"),
        (account(PAID), 1, [pending("20.00", 1)], "30.00"),
        (account(PAID), 1, [pending("20.00", None)], "30.00"),
        (account(PAID), None, [pending("20.00", 1)], "30.00"),
        (account(PAID, applied={1: "50.00"}), None, [pending("20.00", 1)], "0.00"),
        (account(PAID), 9, [], "0.00"),
        (account(), None, [], "0.00"),
    ],
)
def test_available_amount_excludes_refunded_and_reserved_money(
    held: Account, target: SourceId | None, others: list[PendingRepayment], expected: str
) -> None:
    assert available_amount(held, target, others, TODAY) == dollars(expected)


amounts = st.integers(1, 60).map(lambda whole: dollars(f"{whole}.00"))


@given(st.lists(amounts, min_size=1, max_size=4), st.lists(amounts, max_size=4), st.booleans())
def test_refunds_within_the_available_amount_leave_nothing_negative(
    paid: list[Decimal], wanted: list[Decimal], of_credit: bool
) -> None:
    credits_ = [Credit(number, number, amount, TODAY, None, False) for number, amount in enumerate(paid, 1)]
    for number, amount in enumerate(wanted, 100):
        target = None if of_credit else 1 + number % len(paid)
        held = Account(POLICY, credits_, [], [])
        if amount <= available_amount(held, target, [], TODAY):
            credits_ = [*credits_, Credit(EntrySource(number), number, -amount, TODAY, None, False, target)]
    final = Account(POLICY, credits_, [], [])
    distribute(final)
    assert all(amount >= 0 for amount in final.unapplied.values())
    assert sum(final.unapplied.values()) == sum(each.amount for each in credits_)


def test_state_follows_from_the_decisions() -> None:
    now = datetime(2026, 6, 30, tzinfo=UTC)
    decided = {"approved_at": now, "issued_at": now, "voided_at": now}
    states = [
        Decisions(now, "user:ann", **{name: decided[name] for name in list(decided)[:count]}).state
        for count in range(4)
    ]
    assert states == list(RepaymentState)


@pytest.mark.parametrize(
    ("amount", "unapproved", "limit", "expected"),
    [("10.00", "0.00", "10.00", False), ("10.01", "0.00", "10.00", True), ("5.00", "5.01", "10.00", True)],
)
def test_amount_above_the_limit_needs_an_approval(amount: str, unapproved: str, limit: str, expected: bool) -> None:
    assert needs_approval(dollars(amount), dollars(unapproved), dollars(limit)) is expected


def emr(number: int, **more: object) -> RefundInEmr:
    return RefundInEmr(number, ACCOUNT, dollars("20.00"), TODAY, None)._replace(**more)


def billing(number: int, **more: object) -> RefundInBilling:
    return RefundInBilling(number, ACCOUNT, dollars("20.00"), TODAY, None)._replace(**more)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([billing(1)], [emr(7)], {1: 7}),
        ([billing(1, target=5)], [emr(7, target=5)], {1: 7}),
        ([billing(1, target=5)], [emr(7, target=6)], {}),
        ([billing(1, target=EntrySource(5))], [emr(7, target=5)], {}),
        ([billing(1)], [emr(7, amount=dollars("20.01"))], {}),
        ([billing(1)], [emr(7, account=("company", "other"))], {}),
        ([billing(1)], [emr(7, day=TODAY - timedelta(days=31))], {1: 7}),
        ([billing(1)], [emr(7, day=TODAY - timedelta(days=32))], {}),
        ([billing(1), billing(2)], [emr(7)], {1: 7}),
        ([billing(1)], [emr(7, day=TODAY - timedelta(days=9)), emr(8)], {1: 8}),
        ([billing(1), billing(2)], [emr(7), emr(8)], {1: 7, 2: 8}),
    ],
)
def test_same_refund_of_both_sides_is_matched_once(
    ours: list[RefundInBilling], theirs: list[RefundInEmr], expected: dict[int, int]
) -> None:
    assert same_refunds(ours, theirs) == expected
