from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.contract.money import ZERO, dollars, parse_amount, total

cent_counts = st.integers(-(10**12) + 1, 10**12 - 1)


@pytest.mark.parametrize(
    ("written", "amount"),
    [("25.00", "25.00"), ("25", "25.00"), (25, "25.00"), ("-0.00", "0.00"), ("-3.5", "-3.50"), ("007.10", "7.10")],
)
def test_parsed_amount_has_two_decimal_places(written, amount):
    assert str(dollars(written)) == amount


@pytest.mark.parametrize("amount", [Decimal("0.001"), Decimal("25.123"), Decimal("-0.005")])
def test_fraction_of_a_cent_is_refused(amount):
    with pytest.raises(ValueError, match="finer than a cent"):
        dollars(amount)


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity", "sNaN"])
def test_non_numeric_amount_is_refused(amount):
    with pytest.raises(ValueError, match="not an amount"):
        dollars(Decimal(amount))


# Every text that Decimal() or a person would read as a number, and that is no plain decimal.
MALFORMED_AMOUNTS = [
    *("", "-", ".", "--1", "- 5.00", "one", "0x10", "25.00.00", "5.", ".5", "1/2", "25.00 USD", "25.00\n", "\x0025.00"),
    *("4E1", "4e1", "4_0.00", "+5", "+5.00", " 5.00", "5.00 ", "\t5", "5\u00a0", "NaN", "sNaN", "Infinity", "-inf"),
    *("40,50", "1,250.00", "1.250,00", "1 250.00", "1'250.00", "$25.00", "-$25.00", "€25", "(25.00)", "25.00-", "25%"),
    *("25.005", "25.000", "1.250", "\u0664\u0660.\u0665\u0660", "\uff14\uff10.\uff10\uff10", "\u221225.00", "٢٥", "1²"),
]


@pytest.mark.parametrize("text", MALFORMED_AMOUNTS)
@pytest.mark.parametrize("read", [dollars, parse_amount])
def test_amount_that_is_not_a_plain_decimal_is_refused(read, text):
    with pytest.raises(ValueError, match=r"not an amount such as 25\.00"):
        read(text)


@given(st.text(max_size=12))
def test_only_plain_decimals_are_parsed(text):
    try:
        amount = parse_amount(text)
    except ValueError:
        return
    assert set(text) <= set("-.0123456789")
    assert amount == Decimal(text)


@pytest.mark.parametrize("text", ["9999999999.99", "-9999999999.99", "00009999999999.99"])
def test_largest_amount_is_parsed(text):
    assert parse_amount(text) == Decimal(text)


@pytest.mark.parametrize("text", ["10000000000", "-10000000000.00", "9" * 18])
def test_amount_beyond_the_largest_is_refused(text):
    with pytest.raises(ValueError, match=r"more than 9,999,999,999\.99"):
        parse_amount(text)


@pytest.mark.parametrize("text", ["9" * 19, "9" * 100_000])
def test_amount_with_thousands_of_digits_is_refused(text):
    with pytest.raises(ValueError, match="not an amount"):
        parse_amount(text)


@given(cent_counts)
def test_formatted_amount_is_parsed_to_the_same_amount(cent):
    amount = Decimal(cent).scaleb(-2)
    assert parse_amount(f"{amount:f}") == amount


def test_total_of_no_amounts_is_zero_with_two_decimal_places():
    assert str(total([])) == "0.00"


@given(st.lists(cent_counts))
def test_total_is_exact_to_the_cent(amounts):
    assert total(dollars(Decimal(cent) / 100) for cent in amounts) == ZERO + Decimal(sum(amounts)) / 100
