"""Money: dollars as Decimal with two places."""

import re
from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import TypeVar

Money = Decimal
"""An amount in dollars, always with two places. A refund or a downward correction is negative."""

ZERO = Decimal("0.00")
AMOUNT_MAX = Decimal("9999999999.99")
"""The largest amount of an event and of a ledger entry, in dollars."""
_CENT = Decimal("0.01")
# Without re.ASCII, \d also matches the digits of other scripts. Decimal() alone would take 4E1, 4_0, NaN and blanks.
_PLAIN_DECIMAL_PATTERN = re.compile(r"-?\d{1,18}(?:\.\d{1,2})?", re.ASCII)
_Key = TypeVar("_Key")


def parse_amount(text: str) -> Money:
    """Parse an amount from a file, an option or a form, in dollars.

    The text is a plain decimal of ASCII digits such as 25, 25.5, 25.00 or -25.00, with at most two decimals. Exponents,
    plus signs, currency signs, thousands separators, decimal commas and blanks are invalid. An event is stricter: it
    has exactly two decimals (`payments.contract.fields.Amount`).

    Raises ValueError for any other form, and for an amount beyond AMOUNT_MAX.
    """
    amount = dollars(text)
    if abs(amount) > AMOUNT_MAX:
        raise ValueError(f"{text} is more than {AMOUNT_MAX:,}")
    return amount


def dollars(amount: str | int | Decimal) -> Money:
    """Return an amount in dollars with two decimal places. If `amount` is a text, it has the form of `parse_amount`.

    Raises ValueError for a text in another form, for an infinite amount, for NaN, and for a fraction of a cent. Amounts
    are never rounded.
    """
    if isinstance(amount, str) and not _PLAIN_DECIMAL_PATTERN.fullmatch(amount):
        raise ValueError(f"{amount!r} is not an amount such as 25.00")
    exact = Decimal(amount)
    if not exact.is_finite():
        raise ValueError(f"{exact} is not an amount")
    quantized = exact.quantize(_CENT)
    if quantized != exact:
        raise ValueError(f"{amount} is finer than a cent")
    return quantized + ZERO  # turns -0.00 into 0.00


def total(amounts: Iterable[Money]) -> Money:
    """Return the sum of the amounts; 0.00 for none."""
    return sum(amounts, ZERO)


def sum_by_key(amounts: Iterable[tuple[_Key, Money]]) -> dict[_Key, Money]:
    """Return the sum of the amounts of each key. Keys are in the order of their first amount. A sum may be 0.00."""
    found: dict[_Key, Money] = defaultdict(lambda: ZERO)
    for key, amount in amounts:
        found[key] += amount
    return dict(found)
