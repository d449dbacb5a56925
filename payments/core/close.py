"""Closing a month: when it is allowed, and the snapshot of totals that it stores (rule D7)."""

import hashlib
import json
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from payments.contract.money import Money, total
from payments.core.month import Month, MonthState


class ClosingError(ValueError):
    """The month cannot be scheduled, cancelled or closed.

    `comes_after` is an earlier month that has to be closed first, if that is the problem.
    """

    def __init__(self, company_id: str, month: Month, problem: str, comes_after: Month | None = None) -> None:
        self.company_id, self.month, self.problem, self.comes_after = company_id, month, problem, comes_after
        super().__init__(f"{company_id} {month}: {problem}")


class MonthSum(NamedTuple):
    """The count and the sum in dollars of a month's entries with the same method, charge type, clinic and user."""

    method: str
    charge_type: str
    clinic: str
    user: str
    count_of_entries: int
    total: Money


class Snapshot(NamedTuple):
    """The totals of a month at its close."""

    sums: tuple[MonthSum, ...]

    @property
    def payments_total(self) -> Money:
        """The sum of all entries with a deposit date in the month, in dollars."""
        return total(each.total for each in self.sums)

    def to_canonical_json(self) -> str:
        """Return the totals in the form that is stored and hashed."""
        rows = [{**each._asdict(), "total": str(each.total)} for each in sorted(self.sums)]
        return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))

    def hash(self) -> bytes:
        """Return the hash of the totals."""
        return hashlib.blake2b(self.to_canonical_json().encode(), digest_size=32).digest()


def check_may_close(company_id: str, month: Month, today: date, state: MonthState, earlier: Sequence[Month]) -> None:
    """Check that a month may be closed. `earlier` are the earlier months with entries that are not closed.

    Raises ClosingError if the month is closed, has not ended, or an earlier month is not closed.

    An interrupted close may always continue, even if an earlier month received entries meanwhile.
    """
    if state is MonthState.CLOSING:
        return
    if state is MonthState.CLOSED:
        raise ClosingError(company_id, month, "it is closed already")
    if Month.of(today) <= month:
        raise ClosingError(company_id, month, f"it has not ended; today is {today}")
    if earlier:
        problem = f"{earlier[0]} has entries and is not closed; earlier months come first"
        raise ClosingError(company_id, month, problem, comes_after=earlier[0])
