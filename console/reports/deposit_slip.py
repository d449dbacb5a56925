"""The deposit slip of a clinic and a day: the payments by method, with check numbers and totals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from console.reports.parameters import ParameterKind, clinic, company, parameter
from payments.core.scope import Scope

if TYPE_CHECKING:
    from datetime import date

    from payments.contract.money import Money
    from payments.journeys.reporting import PaymentLogFilter, PaymentLogRow

BANKED = ("Cash", "Check")
"""The methods whose money is taken to the bank. A slip lists them first."""


@dataclass(frozen=True, kw_only=True)
class DepositSlipParameters:
    """The clinic and the deposit date of a slip. The default date is the clinic's current day."""

    clinic: str | None = clinic()
    day: date | None = parameter("Deposit date", "The deposit date.", ParameterKind.DAY)
    company: str | None = company()

    def to_filter(self, scope: Scope, day: date) -> PaymentLogFilter:
        """Return these parameters as a filter of the money that the office took, limited to `scope`."""
        from payments.journeys.reporting import PaymentLogFilter  # noqa: PLC0415 (keeps `payments --help` fast)

        return PaymentLogFilter(since=day, until=day, scope=scope.narrowed_to_company(self.company), only_deposits=True)


class SlipPart(NamedTuple):
    """The entries with one payment method, and their sum in dollars."""

    method: str
    rows: list[PaymentLogRow]
    total: Money


def slip_parts(rows: Iterable[PaymentLogRow]) -> list[SlipPart]:
    """Return the entries by method: cash, checks sorted by number, then the methods that are not taken to the bank."""
    from payments.contract.money import total  # noqa: PLC0415 (as above)

    by_method: dict[str, list[PaymentLogRow]] = {}
    for row in sorted(rows, key=lambda row: (row.reference or "", row.payment or "", row.posting_date)):
        by_method.setdefault(row.method, []).append(row)
    ranks = {method: rank for rank, method in enumerate(BANKED)}
    methods = sorted(by_method, key=lambda method: (ranks.get(method, len(BANKED)), method))
    return [SlipPart(method, by_method[method], total(row.amount for row in by_method[method])) for method in methods]
