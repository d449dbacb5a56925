"""Distribution (rule D8): the four rules, Payment on Account, refunds and unapplied amounts."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.contract.money import dollars
from payments.core.account import Account, Allocation, AllocationRule, AppliedAmount, Charge, DistributionPolicy
from payments.core.credit import Credit, EntrySource, SourceId
from payments.core.distribution import distribute

TODAY = date(2026, 6, 30)
MAY, JUNE = date(2026, 5, 10), date(2026, 6, 10)
OLD, NEW, AT_INSURANCE = ("clinic", "old"), ("clinic", "new"), ("clinic", "at-insurance")


def credit(
    amount: str, day: date | None = JUNE, *, deposited: date = JUNE, number: int = 1, on_account: bool = False
) -> Credit:
    return Credit(number, number, dollars(amount), deposited, day, on_account)


def charge(key: tuple[str, str], day: date, balance: str, *, insurance_open: bool = False) -> Charge:
    return Charge(key, day, dollars(balance), insurance_open)


TWO_OWED_CHARGES = [charge(NEW, JUNE, "40.00"), charge(OLD, MAY, "30.00")]
CHARGES_ONE_AT_INSURANCE = [charge(OLD, MAY, "30.00"), charge(AT_INSURANCE, JUNE, "40.00", insurance_open=True)]


@pytest.mark.parametrize(
    ("paid", "charges", "expected"),
    [
        pytest.param(
            credit("20.00", None),
            TWO_OWED_CHARGES,
            [(OLD, "20.00", AllocationRule.NO_DATE)],
            id="no date: oldest charge",
        ),
        pytest.param(
            credit("35.00"),
            TWO_OWED_CHARGES,
            [(NEW, "35.00", AllocationRule.OWN_DATE)],
            id="own date: its charge",
        ),
        pytest.param(
            credit("50.00"),
            TWO_OWED_CHARGES,
            [(NEW, "40.00", AllocationRule.OWN_DATE), (OLD, "10.00", AllocationRule.MORE_THAN_OWN_DATE)],
            id="excess over the own date: oldest charge, without hold",
        ),
        pytest.param(
            credit("25.00", date(2026, 6, 1)),
            TWO_OWED_CHARGES,
            [(OLD, "25.00", AllocationRule.MORE_THAN_OWN_DATE)],
            id="own date without charges: oldest charge",
        ),
        pytest.param(credit("25.00"), CHARGES_ONE_AT_INSURANCE, [], id="own date open at insurance: waits"),
        pytest.param(
            credit("25.00", deposited=TODAY - timedelta(days=30)),
            CHARGES_ONE_AT_INSURANCE,
            [(OLD, "25.00", AllocationRule.AFTER_HOLD)],
            id="hold period over: oldest charge",
        ),
        pytest.param(
            credit("25.00", deposited=TODAY - timedelta(days=29)),
            CHARGES_ONE_AT_INSURANCE,
            [],
            id="hold period not over: waits",
        ),
        pytest.param(
            credit("60.00", on_account=True),
            TWO_OWED_CHARGES,
            [(OLD, "30.00", AllocationRule.ON_ACCOUNT), (NEW, "30.00", AllocationRule.ON_ACCOUNT)],
            id="Payment on Account: oldest charge first",
        ),
        pytest.param(
            credit("60.00", None),
            [charge(AT_INSURANCE, JUNE, "40.00", insurance_open=True)],
            [],
            id="charge open at insurance: nothing",
        ),
    ],
)
def test_payment_is_applied_by_the_rules(
    paid: Credit, charges: list[Charge], expected: list[tuple[tuple[str, str], str, AllocationRule]]
) -> None:
    moved = distribute(Account(DistributionPolicy(TODAY), [paid], charges, []))

    assert [(allocation.charge, str(allocation.amount), allocation.rule) for allocation in moved] == expected


def test_rule_1_precedes_rule_2_unless_dos_first_is_on() -> None:
    paid = [credit("30.00", JUNE, number=1), credit("40.00", None, number=2)]
    charges = [charge(NEW, JUNE, "40.00")]

    by_default, dos_first = (
        distribute(Account(DistributionPolicy(TODAY, dos_first=chosen), paid, charges, [])) for chosen in (False, True)
    )

    assert [(each.source, str(each.amount)) for each in by_default] == [(2, "40.00")]
    assert [(each.source, str(each.amount)) for each in dos_first] == [(1, "30.00"), (2, "10.00")]


def test_immediate_run_applies_payments_on_account_only() -> None:
    paid = [credit("10.00", number=1), credit("5.00", number=2, on_account=True)]

    moved = distribute(Account(DistributionPolicy(TODAY, immediate_only=True), paid, TWO_OWED_CHARGES, []))

    assert [(each.source, each.rule) for each in moved] == [(2, AllocationRule.ON_ACCOUNT)]


def test_w6_lowered_payment_is_unapplied_newest_first() -> None:
    applied = [AppliedAmount(1, OLD, dollars("30.00"), 1), AppliedAmount(1, NEW, dollars("20.00"), 2)]
    account = Account(
        DistributionPolicy(TODAY, immediate_only=True),
        [credit("0.00")],
        [charge(OLD, MAY, "30.00"), charge(NEW, JUNE, "20.00")],
        applied,
    )

    moved = distribute(account)

    assert [(each.charge, str(each.amount)) for each in moved] == [(NEW, "-20.00"), (OLD, "-30.00")]
    assert (account.unapplied[1], account.outstanding) == (0, {OLD: 30, NEW: 20})


def test_excess_over_a_lowered_charge_is_applied_elsewhere() -> None:
    account = Account(
        DistributionPolicy(TODAY),
        [credit("40.00")],
        [charge(NEW, JUNE, "15.00"), charge(OLD, MAY, "30.00")],
        [AppliedAmount(1, NEW, dollars("40.00"), 1)],
    )

    assert distribute(account) == [
        Allocation(1, NEW, Decimal("-25.00"), AllocationRule.CHARGE_LOWERED),
        Allocation(1, OLD, Decimal("25.00"), AllocationRule.MORE_THAN_OWN_DATE),
    ]


whole_dollars = st.integers(-50, 100).map(lambda whole: dollars(f"{whole}.00"))
service_dates = st.sampled_from([MAY, JUNE, date(2026, 6, 25)])
credit_lists = st.lists(
    st.builds(
        Credit,
        source=st.sampled_from([0, 0, 1]),  # 1: a manual entry
        entry_id=st.just(0),
        amount=whole_dollars,
        deposit_date=service_dates,
        date_of_service=st.none() | service_dates,
        on_account=st.booleans(),
        refund_of=st.none() | st.integers(1, 4),
    ),
    max_size=5,
).map(
    lambda found: [
        each._replace(source=EntrySource(place), entry_id=place, refund_of=None)
        if each.source
        else each._replace(source=place, entry_id=place)
        for place, each in enumerate(found, 1)
    ]
)
charge_lists = st.lists(
    st.tuples(service_dates, st.integers(0, 80), st.booleans()),
    max_size=4,
).map(
    lambda found: [
        Charge(("clinic", str(place)), day, dollars(f"{outstanding}.00"), is_open)
        for place, (day, outstanding, is_open) in enumerate(found)
    ]
)


@given(credit_lists, charge_lists, charge_lists, st.booleans())
def test_applied_and_unapplied_money_equals_the_payments_and_a_second_run_moves_nothing(
    paid: list[Credit], first: list[Charge], then: list[Charge], dos_first: bool
) -> None:
    terms = DistributionPolicy(TODAY, dos_first=dos_first)
    evening = Account(terms, paid, first, [])
    distribute(evening)
    shrunk = [each._replace(balance=dollars(0)) for each in first if each.key not in {other.key for other in then}]
    night = Account(terms, paid, then + shrunk, sum_allocations(evening.allocations))
    moved = distribute(night)

    unapplied = sum(night.unapplied.values(), Decimal(0))
    applied = sum((each.amount for each in evening.allocations + moved), Decimal(0))
    assert unapplied + applied == sum((each.amount for each in paid), Decimal(0))
    for each in sum_allocations(evening.allocations + moved):
        # The refunded amount pays for no charge.
        refunds = sum(other.amount for other in paid if other.refund_of == each.source and other.amount < 0)
        line = next(other for other in paid if other.source == each.source)
        assert each.amount <= line.amount + refunds
    negative = sum((each.amount for each in paid if each.is_unlinked_entry and each.amount < 0), Decimal(0))
    free = {each.source: night.unapplied[each.source] for each in paid}
    if any(free[each.source] < 0 for each in paid if each.is_unlinked_entry):
        # Negative entries have taken everything that was left.
        assert negative < 0
        assert all(amount <= 0 for amount in free.values())
    assert all(outstanding >= 0 for outstanding in night.outstanding.values())
    assert distribute(Account(terms, paid, then + shrunk, sum_allocations(evening.allocations + moved))) == []


def sum_allocations(allocations: list[Allocation]) -> list[AppliedAmount]:
    """Return the total amount that is applied from each source to each charge, as the store does.

    The id of a total is the position of its newest allocation in `allocations`. Totals of zero are omitted.
    """
    standing: dict[tuple[SourceId, tuple[str, str]], AppliedAmount] = {}
    for number, (source, charge_key, amount, _) in enumerate(allocations, 1):
        before = standing.get((source, charge_key))
        total = amount + (before.amount if before else 0)
        standing[source, charge_key] = AppliedAmount(source, charge_key, total, number)
    return [each for each in standing.values() if each.amount]
