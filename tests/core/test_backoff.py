"""Retry delays: full jitter within each step of the schedule (rule D5)."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from payments.core.backoff import backoff_delay

schedule_steps = st.timedeltas(timedelta(0), timedelta(days=2))
schedules = st.lists(schedule_steps, min_size=1, max_size=8)


@given(schedules, st.text(max_size=20), st.data())
def test_backoff_delay_is_between_zero_and_its_step(schedule, seed, data):
    attempt = data.draw(st.integers(1, len(schedule)))

    assert timedelta(0) <= backoff_delay(schedule, attempt, seed) <= schedule[attempt - 1]


@given(schedules, st.text(max_size=20), st.integers(1, 3))
def test_backoff_delay_is_none_after_the_last_step(schedule, seed, beyond):
    assert backoff_delay(schedule, len(schedule) + beyond, seed) is None


def test_backoff_delay_depends_only_on_the_seed():
    hour = [timedelta(hours=1)]
    delays = [[backoff_delay(hour, 1, f"clinic/{number}/1") for number in range(100)] for _ in range(2)]

    assert delays[0] == delays[1]
    assert len(set(delays[0])) == 100


def test_backoff_delays_are_spread_over_the_full_step():
    quarters = [backoff_delay([timedelta(hours=1)], 1, str(number)) // timedelta(minutes=15) for number in range(400)]

    assert all(quarters.count(quarter) > 60 for quarter in range(4))
