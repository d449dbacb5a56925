"""Closing a month: when it is allowed, and the snapshot of totals that it stores (rule D7)."""

import hashlib
import json
from collections.abc import Sequence
from datetime import date
from typing import NamedTuple

from payments.contract.money import Money, total
from payments.core.month import LockedMonths, Month, MonthState


class ClosingError(ValueError):
    """The close of a month cannot be scheduled, cancelled or carried out.

    `comes_after` is an earlier month that must be closed first, None if the error has another cause.
    """

    def __init__(self, company_id: str, month: Month, problem: str, comes_after: Month | None = None) -> None:
        self.company_id, self.month, self.problem, self.comes_after = company_id, month, problem, comes_after
        super().__init__(f"{company_id} {month}: {problem}")


class MonthSum(NamedTuple):
    """The entries of a month with the same method, charge type, clinic and user: their number and sum in dollars."""

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
        """Return the totals as the JSON text that is stored and hashed. Equal totals give the same text."""
        rows = [{**each._asdict(), "total": str(each.total)} for each in sorted(self.sums)]
        return json.dumps(rows, ensure_ascii=False, separators=(",", ":"))

    def hash(self) -> bytes:
        """Return the BLAKE2b hash (32 bytes) of the totals."""
        return hashlib.blake2b(self.to_canonical_json().encode(), digest_size=32).digest()


class CloseConditions(NamedTuple):
    """The stored facts that decide whether a month may be closed.

    `state` is the stored state of the month. `lock_date` holds the company's locked months. `months_with_entries` are
    the months, up to and including this one, that have entries but no stored totals.
    """

    state: MonthState
    lock_date: LockedMonths = LockedMonths()
    months_with_entries: Sequence[Month] = ()


def check_may_close(company_id: str, month: Month, today: date, conditions: CloseConditions) -> None:
    """Check that a month may be closed (rule D7). `today` is the company's current day.

    Raises ClosingError if the month is closed, if it has not ended, or if an earlier month with entries is open. An
    interrupted close (state CLOSING) may always continue.

    A month before a closed month counts as closed. It may still be closed itself in two cases: it has entries whose
    totals are not stored yet, or its close was scheduled before the later month was closed.
    """
    if conditions.state is MonthState.CLOSING:
        return
    if conditions.state is MonthState.CLOSED:
        raise ClosingError(company_id, month, "it is closed already")
    if Month.of(today) <= month:
        raise ClosingError(company_id, month, f"it has not ended; today is {today}")
    if conditions.lock_date.is_closed(month):
        if conditions.state is MonthState.OPEN and month not in conditions.months_with_entries:
            latest = f"{conditions.lock_date.closed_through}, a later month, is closed"
            raise ClosingError(company_id, month, f"it is locked, because {latest}")
        return
    for earlier in conditions.months_with_entries:
        if earlier < month and not conditions.lock_date.is_closed(earlier):
            problem = f"close {earlier} first"
            raise ClosingError(company_id, month, problem, comes_after=earlier)
