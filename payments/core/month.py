"""A calendar month as the office closes it: one company, one month. Knows no clock."""

import re
from datetime import date
from enum import StrEnum
from typing import NamedTuple, Self

from payments.contract.fields import YEAR

_WRITTEN = re.compile(rf"({YEAR})-(0[1-9]|1[0-2])", re.ASCII)


class MonthState(StrEnum):
    """How far a company's month is on its way to being closed (rule D7)."""

    OPEN = "OPEN"
    SCHEDULED = "SCHEDULED"
    CLOSING = "CLOSING"
    CLOSED = "CLOSED"


class Month(NamedTuple):
    """A calendar month; sorts by time and prints as YYYY-MM."""

    year: int
    number: int

    @classmethod
    def of(cls, day: date) -> Self:
        """Return the month that holds the day."""
        return cls(day.year, day.month)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read YYYY-MM. Raises ValueError naming what was expected."""
        written = _WRITTEN.fullmatch(text.strip())
        if not written:
            raise ValueError(f"month: expected YYYY-MM, e.g. 2026-10; got {text!r}")
        return cls(int(written[1]), int(written[2]))

    @property
    def first_day(self) -> date:
        """The first day of the month."""
        return date(self.year, self.number, 1)

    def plus(self, months: int) -> "Month":
        """Return the month so many later; earlier where it is negative."""
        years, index = divmod(self.number - 1 + months, 12)
        return Month(self.year + years, index + 1)

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"
