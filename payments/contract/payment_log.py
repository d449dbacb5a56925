"""Rows of the EMR's Payment Log, which balancing can compare with Billing (rule D9)."""

from datetime import date
from typing import NamedTuple

from payments.contract.keys import LocalKey
from payments.contract.money import Money


class PaymentDetails(NamedTuple):
    """The fields of a payment, besides its amount, that are compared between the EMR and Billing.

    An unknown field is None.
    """

    day: date | None = None
    charge_type: str | None = None
    internal_payment: bool | None = None
    version: int | None = None


UNKNOWN_DETAILS = PaymentDetails()


class EmrLogRow(NamedTuple):
    """A row of the EMR's Payment Log. `amount` is in dollars, 0.00 if the line is not paid."""

    key: LocalKey
    amount: Money
    details: PaymentDetails
