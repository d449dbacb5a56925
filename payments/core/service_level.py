"""Compute due dates of Billing Exceptions. A company's service level is a number of business days (rule D6)."""

from datetime import date, timedelta

BUSINESS_DAYS_MAX = 60
_FRIDAY, _BUSINESS_DAYS_OF_WEEK = 5, 5


def due_date(opened_on: date, business_days: int) -> date:
    """Return the date that is `business_days` business days after `opened_on`. `business_days` is at least 1.

    Business days are Monday to Friday. `payments/store/reports/exceptions.py` computes the same in SQL.
    """
    weekday = opened_on - timedelta(days=max(0, opened_on.isoweekday() - _FRIDAY))
    weekends = (weekday.isoweekday() - 1 + business_days) // _BUSINESS_DAYS_OF_WEEK
    return weekday + timedelta(days=business_days + 2 * weekends)
