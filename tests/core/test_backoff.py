from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from payments.core.backoff import pause

steps = st.timedeltas(timedelta(0), timedelta(days=2))
ladders = st.lists(steps, min_size=1, max_size=8)


@given(ladders, st.text(max_size=20), st.data())
def test_a_pause_lies_between_nothing_and_its_step(backoff_schedule, spread_by, data):
    tries = data.draw(st.integers(1, len(backoff_schedule)))
    wait = pause(backoff_schedule, tries, spread_by)

    assert timedelta(0) <= wait <= backoff_schedule[tries - 1]


@given(ladders, st.text(max_size=20), st.integers(1, 3))
def test_the_ladder_ends_after_its_last_step(backoff_schedule, spread_by, beyond):
    assert pause(backoff_schedule, len(backoff_schedule) + beyond, spread_by) is None


def test_the_same_thing_always_gets_the_same_pause_and_others_get_others():
    pauses = [[pause([timedelta(hours=1)], 1, f"clinic/{number}/1") for number in range(100)] for _ in range(2)]

    assert pauses[0] == pauses[1]
    assert len(set(pauses[0])) == 100


def test_what_failed_together_comes_back_spread_over_the_whole_step():
    minutes = [pause([timedelta(hours=1)], 1, str(number)) // timedelta(minutes=15) for number in range(400)]

    assert all(minutes.count(quarter) > 60 for quarter in range(4))
