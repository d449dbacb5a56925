from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.core.month import LockedMonths, Month, MonthState

days = st.dates(date(1900, 1, 1), date(2999, 12, 31))


@given(days)
def test_month_is_parsed_from_its_printed_form(day):
    month = Month.of(day)

    assert Month.parse(str(month)) == month
    assert month.first_day == day.replace(day=1)


@given(days, days)
def test_months_sort_by_time(one, other):
    assert (Month.of(one) < Month.of(other)) == (one.replace(day=1) < other.replace(day=1))


@pytest.mark.parametrize("text", ["2026-13", "2026-00", "2026-6", "26-06", "2026-06-05", "June", ""])
def test_invalid_month_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="expected YYYY-MM"):
        Month.parse(text)


@pytest.mark.parametrize("text", ["0000-06", "0206-06", "1899-12", "3000-01", "9999-12"])
def test_month_outside_the_supported_years_is_refused(text):
    with pytest.raises(ValueError, match="expected YYYY-MM"):
        Month.parse(text)


@given(days.map(Month.of), st.none() | days.map(Month.of), st.none() | days.map(Month.of), st.sampled_from(MonthState))
def test_months_up_to_the_lock_date_are_closed(month, closed, closing, stored):
    state = LockedMonths(closed, closing).state(month, stored)

    if closed and month <= closed:
        assert state is MonthState.CLOSED
    elif closing and month <= closing:
        assert state is MonthState.CLOSING
    else:
        assert state is stored
