"""The lag of the feed is correct for entry ids from the server's clock and from other clocks."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.feed.lag import FeedLag
from tasks.feed.streams import Streams

NOW = datetime(2026, 10, 5, 17, tzinfo=UTC)
NOW_MS = 1_791_219_600_000
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
FOREIGN_IDS = [
    "0-1",
    "1-1",
    f"{NOW_MS // 1_000}-0",
    f"{NOW_MS * 1_000}-1",
    f"{NOW_MS * 1_000_000}-1",
    f"{NOW_MS + 86_400_000 * 365}-0",
    f"{NOW_MS - 86_400_000 * 8}-0",
    f"{2**64 - 1}-{2**64 - 1}",
    f"3/{NOW_MS + 60_000}-0",
]


@pytest.mark.parametrize("entry_id", [f"{NOW_MS - 3_600_000}-0", f"7/{NOW_MS - 3_600_000}-12"])
def test_lag_of_an_id_of_the_servers_clock_is_its_age(entry_id):
    assert FeedLag().measure([entry_id], NOW) == HOUR


@pytest.mark.parametrize("entry_id", FOREIGN_IDS)
def test_lag_of_an_id_of_another_clock_is_the_time_since_it_was_first_seen(entry_id):
    lag = FeedLag()

    assert [lag.measure([entry_id], NOW + each * MINUTE) for each in (0, 2, 6)] == [0 * MINUTE, 2 * MINUTE, 6 * MINUTE]


def test_lag_of_an_id_that_disappeared_starts_again_at_zero():
    lag = FeedLag()
    lag.measure(["1-1"], NOW)
    lag.measure([], NOW + MINUTE)

    assert lag.measure(["1-1"], NOW + HOUR) == timedelta()
    assert lag.measure([], NOW + HOUR) is None


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_lag_of_any_id_starts_between_zero_and_seven_days(milliseconds, sequence):
    measured = FeedLag().measure([f"{milliseconds}-{sequence}"], NOW)

    assert timedelta() <= measured <= timedelta(days=7)


@pytest.mark.parametrize("entry_id", ["1-1", f"{NOW_MS - 86_400_000 * 8}-0"])
def test_entry_with_a_foreign_id_does_not_hide_the_lag_of_later_entries(feed, stream_name, entry_id):
    feed.xadd(stream_name, {"event": "{}"}, id=entry_id)
    feed.xadd(stream_name, {"event": "{}"}, id=f"{NOW_MS - 3_600_000}-0")
    feed.xadd(stream_name, {"event": "{}"}, id=f"{NOW_MS - 60_000}-0")

    assert FeedLag().measure(Streams(feed, stream_name).stats(NOW).oldest_ids, NOW) == HOUR
