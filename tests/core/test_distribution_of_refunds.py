"""Distribution of refunds (rule D8): a refund unapplies only the payment that it names."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.contract.money import dollars
from payments.core.account import Account, Allocation, AllocationRule, AppliedAmount, Charge, DistributionPolicy
from payments.core.credit import Credit
from payments.core.distribution import distribute
from tests.core.test_distribution import JUNE, NEW, TODAY, charge, charge_lists, credit, credit_lists


def test_refund_unapplies_the_payment_that_it_refunds() -> None:
    refund = credit("-80.00", number=2)._replace(refund_of=1)
    account = Account(
        DistributionPolicy(TODAY),
        [credit("80.00", number=1), refund],
        [charge(NEW, JUNE, "80.00")],
        [AppliedAmount(1, NEW, dollars("80.00"), 1)],
    )

    assert distribute(account) == [Allocation(1, NEW, Decimal("-80.00"), AllocationRule.REFUNDED)]
    assert sum(account.unapplied.values()) == 0


VISIT_CREDITS = [credit("20.00", number=1), credit("25.00", number=2)]
VISIT_AMOUNTS_APPLIED = [AppliedAmount(1, NEW, dollars("20.00"), 1), AppliedAmount(2, NEW, dollars("25.00"), 2)]


@pytest.mark.parametrize(
    ("refunds", "expected", "left"),
    [
        pytest.param([("-30.00", None)], [], ["-30.00"], id="unknown payment"),
        pytest.param([("-30.00", 9)], [], ["-30.00"], id="payment of another account"),
        pytest.param([("-30.00", 1)], [(1, "-20.00")], ["-10.00"], id="above its payment"),
        pytest.param([("-15.00", 1), ("-15.00", 1)], [(1, "-15.00"), (1, "-5.00")], ["0.00", "-10.00"], id="twice"),
        pytest.param([("-5.00", 2), ("-5.00", 3)], [(2, "-5.00")], ["0.00", "-5.00"], id="refund of a refund"),
        pytest.param([("-5.00", 3)], [], ["-5.00"], id="itself"),
    ],
)
def test_refund_unapplies_only_the_payment_it_names(
    refunds: list[tuple[str, int | None]], expected: list[tuple[int, str]], left: list[str]
) -> None:
    lines = [
        credit(amount, number=number)._replace(refund_of=refund_of)
        for number, (amount, refund_of) in enumerate(refunds, 3)
    ]
    account = Account(
        DistributionPolicy(TODAY), [*VISIT_CREDITS, *lines], [charge(NEW, JUNE, "45.00")], VISIT_AMOUNTS_APPLIED
    )

    moved = distribute(account)

    assert [(each.source, str(each.amount)) for each in moved] == expected
    assert [str(account.unapplied[each.source]) for each in lines] == left


@given(credit_lists, charge_lists, st.booleans())
def test_refund_without_its_payment_changes_nothing_for_other_payments(
    paid: list[Credit], owed: list[Charge], dos_first: bool
) -> None:
    refunds = [each for each in paid if each.amount < 0 and not each.is_unlinked_entry]
    others = [each._replace(refund_of=None) for each in paid if each not in refunds]
    unlinked = [each._replace(refund_of=None) for each in refunds]
    policy = DistributionPolicy(TODAY, dos_first=dos_first)

    assert distribute(Account(policy, others + unlinked, owed, [])) == distribute(Account(policy, others, owed, []))
