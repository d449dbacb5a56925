"""A row of the list of work that should be done before a month is closed (rule D7)."""

from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from payments.contract.money import Money


class UnclosedDrawer(NamedTuple):
    """A drawer that is open, or that no second person has closed."""

    id: int
    clinic: str
    day: date
    shift: int


class UndepositedMoney(NamedTuple):
    """The money of a clinic and a method that is on no deposit: the number of its entries, and its deposit dates."""

    clinic: str
    method: str
    entry_count: int
    since: date
    until: date


@dataclass(frozen=True, slots=True)
class CloseWarning:
    """Work that should be done before the close: the key of a payment, for example, and its amount in dollars.

    `what` is the payment's status, or the reason of its exception. `company` is None for a dead letter whose company is
    unreadable. `refund` is the id of a refund that is not issued yet; then `what` is its state. `transfer` is the id of
    a transfer of a payment that the EMR has deleted or moved itself. `drawer` is a drawer that is not closed; then
    `what` is `open` or `locked`. `undeposited` is the money of a clinic and a method that is on no deposit. For all
    these, `payment` is None.
    """

    what: str
    payment: str | None
    detail: str
    amount: Money | None
    is_exception: bool = False
    company: str | None = None
    refund: int | None = None
    transfer: int | None = None
    drawer: UnclosedDrawer | None = None
    undeposited: UndepositedMoney | None = None
