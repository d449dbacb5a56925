"""Money: dollars as Decimal with two places."""

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
_Key = TypeVar("_Key")


def dollars(text: str | int | Decimal) -> Money:
    """Return an amount with two places.

    Raises ValueError if it has a fraction of a cent: amounts are never rounded.
    """
    amount = Decimal(text)
    quantized = amount.quantize(_CENT)
    if quantized != amount:
        raise ValueError(f"{text} is finer than a cent")
    return quantized + ZERO  # turns -0.00 into 0.00


def total(amounts: Iterable[Money]) -> Money:
    """Return the sum of the amounts; 0.00 for none."""
    return sum(amounts, ZERO)


def sums(amounts: Iterable[tuple[_Key, Money]]) -> dict[_Key, Money]:
    """Return the sum of the amounts by key, in the order of the keys' first appearance. A sum may be 0.00."""
    found: dict[_Key, Money] = defaultdict(lambda: ZERO)
    for key, amount in amounts:
        found[key] += amount
    return dict(found)
