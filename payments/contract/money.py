"""Dollars as Decimal with two places; knows nothing but arithmetic."""

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import TypeVar

Money = Decimal
"""An amount in dollars, always with two places. Negative for a refund or a correction downwards."""

ZERO = Decimal("0.00")
AMOUNT_MAX = Decimal("9999999999.99")
"""The largest amount that an event, and an entry of the ledger, can state."""
_CENT = Decimal("0.01")
_Key = TypeVar("_Key")


def dollars(text: str | int | Decimal) -> Money:
    """Return the amount that `text` states, with two places.

    Raises ValueError for anything finer than a cent, so that nothing is ever rounded in silence.
    """
    amount = Decimal(text)
    quantized = amount.quantize(_CENT)
    if quantized != amount:
        raise ValueError(f"{text} is finer than a cent")
    return quantized + ZERO  # turns -0.00 into 0.00


def total(amounts: Iterable[Money]) -> Money:
    """Return the sum of the amounts, 0.00 for none."""
    return sum(amounts, ZERO)


def sums(amounts: Iterable[tuple[_Key, Money]]) -> dict[_Key, Money]:
    """Return the sum of the amounts under each key, in the order in which the keys come; a sum may be 0.00."""
    found: dict[_Key, Money] = defaultdict(lambda: ZERO)
    for key, amount in amounts:
        found[key] += amount
    return dict(found)
