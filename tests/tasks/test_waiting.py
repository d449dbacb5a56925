"""Waiting entries are counted. Kept entries are also on the stream, but do not count."""

from datetime import UTC, datetime

import pytest

from payments.contract.stream_partition import stream_names
from tasks.feed import stream, waiting
from tasks.feed.company_entries import has_entry
from tasks.feed.streams import Streams
from tasks.feed.waiting import WaitingEntries, count_waiting
from tests.builders.events import event_body, saved_payment


def publish(feed, name, count):
    return [feed.xadd(name, {"event": "{}"}).decode() for _ in range(count)]


def read_entries(feed, name, count):
    found = stream.read_new(feed, [name], count, "no-reply")
    return [entry.entry_id for entry in found[name]]


def keep_entries(feed, name, ids):
    """Acknowledge entries without deleting them."""
    feed.xack(name, stream.GROUP, *ids)


@pytest.fixture
def three_of_each(feed, stream_name):
    """Put three kept, three pending and three undelivered entries on the stream, and return the ids."""
    ids = publish(feed, stream_name, 9)
    read_entries(feed, stream_name, 6)
    keep_entries(feed, stream_name, ids[:3])
    return ids


@pytest.mark.usefixtures("three_of_each")
def test_kept_entries_are_counted_separately(feed, stream_name):
    assert count_waiting(feed, [stream_name]) == [WaitingEntries(undelivered=3, pending=3, kept=3)]
    assert Streams(feed, stream_name).waiting_count() == 6


def test_entries_wait_if_the_stream_has_no_group(feed, stream_name):
    feed.xgroup_destroy(stream_name, stream.GROUP)
    publish(feed, stream_name, 2)

    assert count_waiting(feed, [stream_name]) == [WaitingEntries(2, 0, 0)]


def test_missing_stream_has_no_entries(feed, stream_name):
    assert count_waiting(feed, [f"{stream_name}:missing"]) == [WaitingEntries(0, 0, 0)]
    assert count_waiting(feed, []) == []


def test_lag_is_known_while_the_last_delivered_entry_is_deleted(feed, stream_name):
    publish(feed, stream_name, 5)
    kept, deleted = read_entries(feed, stream_name, 2)
    keep_entries(feed, stream_name, [kept])
    stream.acknowledge_and_delete(feed, stream_name, [deleted])

    assert count_waiting(feed, [stream_name]) == [WaitingEntries(undelivered=3, pending=0, kept=1)]
    (state,) = waiting.read_states(feed, [stream_name])
    assert state.lag == 3


def test_undelivered_entries_are_counted_after_one_of_them_was_deleted(feed, stream_name, three_of_each):
    feed.xdel(stream_name, three_of_each[7])

    (state,) = waiting.read_states(feed, [stream_name])
    assert state.lag is None
    assert count_waiting(feed, [stream_name]) == [WaitingEntries(2, 3, 3)]


@pytest.mark.parametrize(("counted_max", "expected"), [(3, 3), (2, 6)])
@pytest.mark.usefixtures("three_of_each")
def test_many_undelivered_entries_without_a_lag_count_with_the_kept_ones(
    feed, stream_name, monkeypatch, counted_max, expected
):
    monkeypatch.setattr(waiting, "COUNTED_MAX", counted_max)
    feed.xdel(stream_name, feed.xadd(stream_name, {"event": "{}"}))

    (found,) = count_waiting(feed, [stream_name])

    assert found.undelivered == expected


def test_nothing_waits_after_undelivered_entries_were_trimmed(feed, stream_name):
    ids = publish(feed, stream_name, 4)
    keep_entries(feed, stream_name, read_entries(feed, stream_name, 2))
    feed.xtrim(stream_name, maxlen=0, approximate=False)

    assert count_waiting(feed, [stream_name]) == [WaitingEntries(0, 0, 0)]
    publish(feed, stream_name, 1)
    assert count_waiting(feed, [stream_name])[0].undelivered == 1
    assert len(ids) == 4


def test_lag_is_measured_from_the_oldest_entry_that_waits(feed, stream_name, three_of_each):
    assert Streams(feed, stream_name).stats(datetime.now(UTC)).oldest_ids == (three_of_each[3],)

    keep_entries(feed, stream_name, three_of_each[3:6])
    assert Streams(feed, stream_name).stats(datetime.now(UTC)).oldest_ids == (three_of_each[6],)

    keep_entries(feed, stream_name, read_entries(feed, stream_name, 3))
    assert Streams(feed, stream_name).stats(datetime.now(UTC)).oldest_ids == ()


def test_stream_with_only_kept_entries_counts_as_read(feed, stream_name):
    first, second = stream_names(stream_name, 2)[1:]
    for name in (first, second):
        stream.ensure_group(feed, name)
        publish(feed, name, 2)
    keep_entries(feed, first, read_entries(feed, first, 2))
    read_entries(feed, second, 1)

    assert Streams(feed, stream_name).unread_names() == [second]
    feed.delete(first, second)


def test_kept_entry_does_not_count_as_an_entry_of_its_company(feed, stream_name):
    for company in ("kept", "pending", "new"):
        feed.xadd(stream_name, {"event": event_body(saved_payment(company_id=company))})
    ids = read_entries(feed, stream_name, 2)
    keep_entries(feed, stream_name, ids[:1])

    streams = Streams(feed, stream_name)
    assert [has_entry(streams, company) for company in ("kept", "pending", "new", "other")] == [
        False,
        True,
        True,
        False,
    ]
