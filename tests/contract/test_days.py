"""Dates and times have one accepted format each. Other formats that Python or pydantic accept are rejected."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.contract.days import YEAR_FIRST, YEAR_LAST, parse_day, parse_moment

valid_dates = st.dates(date(YEAR_FIRST, 1, 1), date(YEAR_LAST, 12, 31))
MALFORMED_DATES = [
    *("", " ", "2026", "2026-10", "20261005", "2026-W41-1", "2026W411", "2026-W41", "2026-278", "2026-10-5"),
    *("2026-1-05", "26-10-05", "2026/10/05", "05.10.2026", " 2026-10-05", "2026-10-05 ", "2026-10-05\n", "2026-13-01"),
    *(
        "2026-02-30",
        "2026-00-10",
        "2026-10-05T00:00",
        "2026-10-05T00:00:00Z",
        "1791212400",
        "2026-10-05Z",
        "+2026-10-05",
    ),
    *("\u0662\u0660\u0662\u0666-10-05", "\uff12026-10-05", "2026\u221210\u221205", "today", "-2026-10-05"),
]
MALFORMED_TIMES = [
    *("", "2026-W41-1T09:00", "20261102T090000Z", "2026-11-02T09", "2026-11-02T0900", "2026-11-02T09:00:00.1234567"),
    *("2026-11-02T24:00:01", "2026-11-02t09:00", "2026-11-02T09:00z", "2026-11-02T09:00+01", "2026-11-02T09:00+0100"),
    *(
        "2026-11-02T09:00,5",
        "2026-11-02T09:00:00 Z",
        " 2026-11-02T09:00",
        "2026-11-02T09:60",
        "1791212400",
        "2026-02-30",
    ),
    *("2026-11-02T09:00+01:00:00", "2026-11-02-09:00"),
]


@pytest.mark.parametrize("text", MALFORMED_DATES)
def test_malformed_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a date such as 2026-10-05"):
        parse_day(text)


@pytest.mark.parametrize("text", MALFORMED_TIMES)
def test_malformed_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a time such as 2026-11-02T09:00:00Z"):
        parse_moment(text)


@pytest.mark.parametrize("text", ["1899-12-31", "0001-01-01", "3000-01-01", "9999-12-31"])
def test_year_outside_the_range_of_events_is_refused(text: str) -> None:
    for parse in (parse_day, parse_moment):
        with pytest.raises(ValueError, match="the year must be between 1900 and 2999"):
            parse(text)


@given(valid_dates)
def test_formatted_date_is_parsed_to_the_same_date(day: date) -> None:
    assert parse_day(day.isoformat()) == day


@given(st.builds(datetime.combine, valid_dates, st.times()), st.integers(-23 * 60, 23 * 60))
def test_formatted_time_is_parsed_to_the_same_time(moment: datetime, offset_minutes: int) -> None:
    local = moment.replace(tzinfo=timezone(timedelta(minutes=offset_minutes)))

    assert parse_moment(local.isoformat()) == local
    assert parse_moment(moment.isoformat()) == moment.replace(tzinfo=UTC)


@given(st.text(max_size=12))
def test_only_a_date_in_iso_format_is_parsed(text: str) -> None:
    try:
        assert parse_day(text).isoformat() == text
    except ValueError:
        return


def test_omitted_parts_of_a_time_are_zero_and_utc() -> None:
    assert parse_moment("2026-11-02") == datetime(2026, 11, 2, tzinfo=UTC)
    assert parse_moment("2026-11-02 09:30") == datetime(2026, 11, 2, 9, 30, tzinfo=UTC)
