"""Calendar months, and the states of a company's month on its way to being closed (rule D7)."""

import re
from datetime import date
from enum import StrEnum
from typing import NamedTuple, Self

from payments.contract.days import YEAR_PATTERN

_MONTH_PATTERN = re.compile(rf"({YEAR_PATTERN})-(0[1-9]|1[0-2])", re.ASCII)


class MonthState(StrEnum):
    """The state of a company's month. A SCHEDULED month still counts as open. Payments of a CLOSING month are held."""

    OPEN = "OPEN"
    SCHEDULED = "SCHEDULED"
    CLOSING = "CLOSING"
    CLOSED = "CLOSED"


CLOSED_BY_DAY = 14
"""The day of the following month by which a month should be closed."""


class Month(NamedTuple):
    """A calendar month. It sorts by time and prints as YYYY-MM."""

    year: int
    number: int

    @classmethod
    def of(cls, day: date) -> Self:
        """Return the month that contains the day."""
        return cls(day.year, day.month)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse YYYY-MM. Raises ValueError for any other form and for years outside 1900 to 2999."""
        match = _MONTH_PATTERN.fullmatch(text)
        if not match:
            raise ValueError(f"month: expected YYYY-MM, e.g. 2026-10; got {text!r}")
        return cls(int(match[1]), int(match[2]))

    @property
    def first_day(self) -> date:
        """The first day of the month."""
        return date(self.year, self.number, 1)

    def plus(self, months: int) -> "Month":
        """Return the month that is `months` months later. A negative number returns an earlier month."""
        years, index = divmod(self.number - 1 + months, 12)
        return Month(self.year + years, index + 1)

    def is_overdue(self, today: date) -> bool:
        """Return whether the month should have been closed: the 14th of the next month has passed (rule D7)."""
        return today > self.plus(1).first_day.replace(day=CLOSED_BY_DAY)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"


class LockedMonths(NamedTuple):
    """The latest CLOSED month and the latest CLOSING month of a company; None if there is none.

    Every month up to the latest CLOSED month counts as closed, even if it was never closed itself (rule D7). Every
    later month up to the latest CLOSING month counts as closing.
    """

    closed_through: Month | None = None
    closing_through: Month | None = None

    def is_closed(self, month: Month) -> bool:
        """Return whether a month counts as closed. A closed month is never reopened."""
        return self.closed_through is not None and month <= self.closed_through

    def state(self, month: Month, stored: MonthState = MonthState.OPEN) -> MonthState:
        """Return the state that applies to a month. `stored` is the month's stored state, OPEN if none is stored."""
        if self.is_closed(month):
            return MonthState.CLOSED
        is_closing = self.closing_through is not None and month <= self.closing_through
        return MonthState.CLOSING if is_closing else stored
