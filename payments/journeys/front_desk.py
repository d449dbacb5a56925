"""Lookups for the front desk: the payments of a day, and the charges that a patient still owes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from payments.contract.money import ZERO, Money, total
from payments.core.scope import Scope
from payments.store.db.connection import Transaction
from payments.store.reports import day_sheet, last_days
from payments.store.reports import owed_charges as charges
from payments.store.reports.account import AccountRow
from payments.store.reports.day_sheet import DayRow
from payments.store.reports.owed_charges import OwedCharge

__all__ = ["DayRow", "OwedCharge"]

ROWS_MAX = 2_000
"""The largest number of payments of a day that are returned."""


@dataclass(frozen=True, slots=True)
class MethodSum:
    """The sum of the payments with one method: their number, the amount taken and the amount in Billing, in dollars."""

    method: str | None
    count: int
    taken: Money
    in_billing: Money


@dataclass(frozen=True, slots=True)
class DaySheet:
    """The payments of a day. `has_more` tells whether there are more than ROWS_MAX payments."""

    rows: Sequence[DayRow]
    has_more: bool

    @property
    def sums(self) -> list[MethodSum]:
        """The sums by method. Dead letters, whose method is unknown, come last."""
        methods = sorted({row.method for row in self.rows}, key=lambda method: (method is None, method or ""))
        return [self._method_sum(method, [row for row in self.rows if row.method == method]) for method in methods]

    @property
    def total(self) -> MethodSum:
        """The sum of the payments of all methods."""
        return self._method_sum(None, self.rows)

    @staticmethod
    def _method_sum(method: str | None, rows: Sequence[DayRow]) -> MethodSum:
        taken = total(row.amount or ZERO for row in rows)
        return MethodSum(method, len(rows), taken, total(row.posted_amount for row in rows))


def read_day(tx: Transaction, scope: Scope, day: date) -> DaySheet:
    """Return the payments of a scope with this transaction date, including payments that are not in Billing."""
    rows = day_sheet.read(tx, scope, day, ROWS_MAX + 1)
    return DaySheet(rows[:ROWS_MAX], len(rows) > ROWS_MAX)


def last_transaction_day(tx: Transaction, scope: Scope, before: date) -> date | None:
    """Return the last transaction date of a payment before `before`, or None."""
    return last_days.last_transaction_date(tx, scope, before)


def last_deposit_day(tx: Transaction, scope: Scope, before: date) -> date | None:
    """Return the last deposit date of an entry before `before`, or None."""
    return last_days.last_deposit_date(tx, scope, before)


def owed_charges(tx: Transaction, row: AccountRow, scope: Scope) -> list[OwedCharge]:
    """Return the charges of an account for which the patient still owes money, by date of service."""
    return charges.read(tx, row, scope)
