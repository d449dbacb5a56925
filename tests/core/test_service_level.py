"""Due dates in business days (rule D6)."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.core.service_level import BUSINESS_DAYS_MAX, due_date

opening_dates = st.dates(date(2020, 1, 1), date(2030, 12, 31))
MONDAY, THURSDAY, FRIDAY, SATURDAY, SUNDAY = (date(2026, 6, day) for day in (8, 11, 12, 13, 14))


@pytest.mark.parametrize(
    ("opened_on", "business_days", "due_on"),
    [
        (MONDAY, 1, "2026-06-09"),
        (MONDAY, 5, "2026-06-15"),
        (THURSDAY, 2, "2026-06-15"),
        (FRIDAY, 1, "2026-06-15"),
        (SATURDAY, 1, "2026-06-15"),
        (SUNDAY, 1, "2026-06-15"),
        (SUNDAY, 6, "2026-06-22"),
    ],
)
def test_due_date_skips_weekends(opened_on: date, business_days: int, due_on: str) -> None:
    assert str(due_date(opened_on, business_days)) == due_on


@given(opening_dates, st.integers(1, BUSINESS_DAYS_MAX))
def test_due_date_is_the_agreed_number_of_business_days_after_the_opening(opened_on: date, business_days: int) -> None:
    due_on = due_date(opened_on, business_days)

    days = [opened_on + timedelta(days=n) for n in range(1, (due_on - opened_on).days + 1)]
    assert sum(day.isoweekday() <= 5 for day in days) == business_days
    assert due_on.isoweekday() <= 5
