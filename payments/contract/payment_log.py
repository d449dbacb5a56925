"""One line of the EMR's Payment Log, which the office compares with Billing."""

from datetime import date
from typing import NamedTuple

from payments.contract.event import LineKey
from payments.contract.money import Money


class Details(NamedTuple):
    """What two systems can disagree about beside money; None where that is not known."""

    day: date | None = None
    charge_type: str | None = None
    internal_payment: bool | None = None
    version: int | None = None


UNKNOWN_DETAILS = Details()


class PaymentLogRow(NamedTuple):
    """A row of the EMR's own Payment Log; `amount` in dollars, 0.00 for one that is not paid."""

    key: LineKey
    amount: Money
    details: Details
