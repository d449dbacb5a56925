"""Stream partitions: a company has the same stream in every language and release."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.contract.stream_partition import stream_for, stream_names, stream_number


@pytest.mark.parametrize(
    ("company_id", "number"),
    # docs/how-to/publish-from-an-emr.md shows the same values. A change would split a company across two streams.
    [("acme", 5), ("company-1", 0), ("Zoë 的 🦷", 3), ("x" * 64, 7)],
)
def test_stream_of_a_company_never_changes(company_id, number):
    assert stream_number(company_id, 8) == number
    assert stream_for("emr:payments", 8, company_id) == f"emr:payments:{number}"


@given(st.text(min_size=1, max_size=64), st.integers(2, 256))
def test_stream_of_a_published_event_is_among_the_streams_to_read(company_id, streams):
    assert stream_for("feed", streams, company_id) in stream_names("feed", streams)


def test_event_of_an_unpartitioned_feed_is_on_a_stream_that_is_always_read():
    assert stream_for("feed", 1, "acme") == "feed"
    assert stream_names("feed", 1) == ("feed",)
    assert stream_for("feed", 8, None) == stream_names("feed", 8)[0] == "feed"


def test_companies_are_spread_evenly_over_streams():
    counted = Counter(stream_number(f"company-{number}", 8) for number in range(8_000))

    assert len(counted) == 8
    assert max(counted.values()) < 1.1 * min(counted.values()) + 100
