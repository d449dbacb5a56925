"""Entries that are deleted from the stream while pending are acknowledged, logged and counted."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tasks import health_check
from tasks.feed import pending
from tasks.feed.deleted_entries import RECENT_SECONDS, RECENTLY_DELETED_COUNT_KEY
from tasks.feed.heartbeat import send_heartbeat
from tasks.feed.redelivery import CHECKED_PER_SWEEP
from tests.tasks.dispatching import LEASE_MS, age_entries, open_dispatcher, publish, read_new, take_messages

pytestmark = pytest.mark.slow

LOG_EVENT = "entries_deleted_from_stream"


def delete_entries(dispatcher, ids):
    dispatcher.feed.xdel(dispatcher.settings.stream, *ids)


def trim_entries(dispatcher, ids):
    oldest_to_keep = next(each for each in all_ids(dispatcher) if each not in ids)
    dispatcher.feed.xtrim(dispatcher.settings.stream, minid=oldest_to_keep, approximate=False)


def all_ids(dispatcher):
    return [entry_id.decode() for entry_id, _ in dispatcher.feed.xrange(dispatcher.settings.stream)]


def pending_ids(dispatcher):
    return [entry.entry_id for entry in pending.pending_entries(dispatcher.feed, dispatcher.settings.stream, 0)]


def deleted_count(dispatcher):
    return dispatcher.streams.stats(datetime.now(UTC)).deleted


def logged_errors(log_entries):
    return [entry["entry_ids"] for entry in log_entries if entry["event"] == LOG_EVENT]


@pytest.mark.parametrize("delete", [delete_entries, trim_entries])
@pytest.mark.parametrize("deliveries", [1, 2, 5], ids=["due", "isolated", "exhausted"])
def test_deleted_pending_entries_are_acknowledged_and_counted(dispatcher, log_entries, delete, deliveries):
    before, ids = deleted_count(dispatcher), publish(dispatcher, 4)
    read_new(dispatcher)
    age_entries(dispatcher, ids, deliveries)
    delete(dispatcher, ids[:2])

    dispatcher.sweep()

    assert pending_ids(dispatcher) == ids[2:]
    assert deleted_count(dispatcher) - before == 2
    assert logged_errors(log_entries) == [ids[:2]]
    assert take_messages(dispatcher) == ["payments.retry_entries"]


def test_pending_entries_are_checked_for_deletion_in_rotation(engines, stream_name, log_entries):
    with open_dispatcher(
        engines,
        stream_name,
        PAYMENTS_RETRY_LADDER="10h,10h,10h",
        PAYMENTS_CHUNK_EVENTS="9999",
        PAYMENTS_PENDING_MAX="10000",
    ) as dispatcher:
        ids = publish(dispatcher, CHECKED_PER_SWEEP + 1)
        read_new(dispatcher)
        dispatcher.streams.release_for_retry(ids, deliveries=2, idle_ms=LEASE_MS + 1_000)
        delete_entries(dispatcher, [ids[0], ids[-1]])

        dispatcher.sweep()
        assert logged_errors(log_entries) == [ids[:1]]
        dispatcher.sweep()

        assert logged_errors(log_entries) == [ids[:1], ids[-1:]]


def test_acknowledged_entry_does_not_count_as_deleted(dispatcher):
    before, ids = deleted_count(dispatcher), publish(dispatcher, 2)
    read_new(dispatcher)
    dispatcher.streams.acknowledge(ids)

    assert dispatcher.streams.acknowledge_deleted(ids) == []
    assert deleted_count(dispatcher) == before


def test_deleted_entry_is_counted_by_only_one_of_two_dispatchers(dispatcher):
    before, ids = deleted_count(dispatcher), publish(dispatcher, 2)
    read_new(dispatcher)
    delete_entries(dispatcher, ids)

    assert [dispatcher.streams.acknowledge_deleted(ids) for _ in range(2)] == [ids, []]
    assert deleted_count(dispatcher) - before == 2


def test_entry_that_is_deleted_before_its_claim_is_counted(dispatcher, log_entries):
    before, ids = deleted_count(dispatcher), publish(dispatcher, 3)
    read_new(dispatcher)
    dispatcher.streams.acknowledge(ids[:1])
    delete_entries(dispatcher, ids[1:2])

    claimed = dispatcher.streams.claim(ids)

    assert [each.entry_id for each in claimed] == ids[2:]
    assert deleted_count(dispatcher) - before == 1
    assert logged_errors(log_entries) == [ids[1:2]]
    assert pending_ids(dispatcher) == ids[2:]


@pytest.mark.parametrize("method", ["isolate", "put_back"])
def test_entry_that_is_deleted_while_its_import_fails_is_counted(dispatcher, log_entries, method):
    before, ids = deleted_count(dispatcher), publish(dispatcher, 2)
    read_new(dispatcher)
    delete_entries(dispatcher, ids)
    dispatcher.streams.renew(ids[:1])  # Redis no longer has it among the pending entries
    for entry_id in ids:
        if method == "isolate":
            dispatcher.streams.isolate([entry_id])
        else:
            dispatcher.streams.release_for_retry([entry_id], 2)

    reported = ids if method == "isolate" else ids[1:]
    assert deleted_count(dispatcher) - before == len(reported)
    assert logged_errors(log_entries) == [[each] for each in reported]


def test_kept_entry_that_another_importer_acknowledged_does_not_count_as_deleted(dispatcher):
    before, ids = deleted_count(dispatcher), publish(dispatcher, 1)
    read_new(dispatcher)
    replace(dispatcher.streams, keeps=True).acknowledge(ids)

    dispatcher.streams.isolate(ids)

    assert deleted_count(dispatcher) == before


def test_health_check_names_deleted_entries_for_an_hour(dispatcher):
    ids = publish(dispatcher, 2)
    read_new(dispatcher)
    send_heartbeat(dispatcher.feed)
    assert health_check._check_intake(dispatcher.feed, dispatcher.settings).is_up
    delete_entries(dispatcher, ids)
    dispatcher.streams.acknowledge_deleted(ids)

    status = health_check._check_intake(dispatcher.feed, dispatcher.settings)

    assert not status.is_up
    assert status.detail.startswith("2 deleted from the stream before their import")
    assert 0 < dispatcher.feed.ttl(RECENTLY_DELETED_COUNT_KEY) <= RECENT_SECONDS
