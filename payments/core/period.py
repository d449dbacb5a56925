"""Named periods, such as this week, as ranges of days."""

from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple


class DateRange(NamedTuple):
    """A range of days, including its first and its last day. None means no limit."""

    since: date | None = None
    until: date | None = None


class Period(StrEnum):
    """A period relative to the current day. Weeks begin on Monday."""

    TODAY = "today"
    YESTERDAY = "yesterday"
    THIS_WEEK = "this_week"
    LAST_WEEK = "last_week"
    THIS_MONTH = "this_month"
    LAST_MONTH = "last_month"

    def days(self, today: date) -> DateRange:
        """Return the range of days of the period.

        The current week and month include the days that are still to come.
        """
        match self:
            case Period.TODAY:
                return DateRange(today, today)
            case Period.YESTERDAY:
                return DateRange(today - timedelta(days=1), today - timedelta(days=1))
            case Period.THIS_WEEK:
                return _week_of(today)
            case Period.LAST_WEEK:
                return _week_of(today - timedelta(days=7))
            case Period.THIS_MONTH:
                return _month_of(today)
            case Period.LAST_MONTH:
                return _month_of(today.replace(day=1) - timedelta(days=1))


def _week_of(day: date) -> DateRange:
    monday = day - timedelta(days=day.weekday())
    return DateRange(monday, monday + timedelta(days=6))


def _month_of(day: date) -> DateRange:
    first = day.replace(day=1)
    return DateRange(first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1))
