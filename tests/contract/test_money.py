from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.contract.money import ZERO, dollars, total

cents = st.integers(-(10**12), 10**12)


@pytest.mark.parametrize(
    ("text", "amount"),
    [("25.00", "25.00"), ("25", "25.00"), (25, "25.00"), ("-0.00", "0.00"), ("-3.5", "-3.50"), ("0.010", "0.01")],
)
def test_amount_has_two_places(text, amount):
    assert str(dollars(text)) == amount


@pytest.mark.parametrize("text", ["0.001", "25.123", "-0.005"])
def test_fraction_of_a_cent_is_refused(text):
    with pytest.raises(ValueError, match="finer than a cent"):
        dollars(text)


def test_total_of_nothing_is_zero_with_two_places():
    assert str(total([])) == "0.00"


@given(st.lists(cents))
def test_total_is_exact_to_the_cent(amounts):
    assert total(dollars(Decimal(cent) / 100) for cent in amounts) == ZERO + Decimal(sum(amounts)) / 100
