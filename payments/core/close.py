"""When a company's month may be closed, and the totals that a close leaves behind (rule D7)."""

import hashlib
import json
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from payments.contract.money import Money, total
from payments.core.month import Month, MonthState


class ClosingError(ValueError):
    """A month cannot be scheduled, cancelled or closed as asked."""

    def __init__(self, company_id: str, month: Month, problem: str, comes_after: Month | None = None) -> None:
        self.company_id, self.month, self.problem, self.comes_after = company_id, month, problem, comes_after
        super().__init__(f"{company_id} {month}: {problem}")


class MonthSum(NamedTuple):
    """The entries of a month that share method, type, clinic and user: their number and their sum in dollars."""

    method: str
    charge_type: str
    clinic: str
    user: str
    count_of_entries: int
    total: Money


class Snapshot(NamedTuple):
    """A month's totals as they were at the close."""

    sums: tuple[MonthSum, ...]

    @property
    def payments_total(self) -> Money:
        """The sum of all entries with a deposit date in the month."""
        return total(each.total for each in self.sums)

    def written(self) -> str:
        """Return the totals in the one form that is stored and hashed."""
        rows = [{**each._asdict(), "total": str(each.total)} for each in sorted(self.sums)]
        return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))

    def hash(self) -> bytes:
        """Return the fingerprint of the totals."""
        return hashlib.blake2b(self.written().encode(), digest_size=32).digest()


def check_may_close(company_id: str, month: Month, today: date, state: MonthState, earlier: Sequence[Month]) -> None:
    """Raise ClosingError unless the month has ended, is not closed, and no `earlier` month with entries is open.

    A close that was cut off may go on as it began: what came into an earlier month since then must not leave this one
    CLOSING, with its payments held back.
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
