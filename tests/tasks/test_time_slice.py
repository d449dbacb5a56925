"""In a time slice the importer imports chunk after chunk. It ends the slice early if other work has priority."""

import threading
from dataclasses import replace

import pytest

from payments.core.import_stats import ImportStats
from tasks import importing
from tasks.feed import import_attempt, stream
from tasks.feed.import_attempt import import_time_slice
from tests.builders.events import event_body, saved_patient, saved_payment
from tests.tasks.dispatching import pending_and_length

pytestmark = pytest.mark.slow


@pytest.fixture
def small_chunk_resources(resources):
    """Resources with chunks of two entries."""
    return replace(resources, settings=resources.settings.model_copy(update={"chunk_events": 2}))


@pytest.fixture
def publish(resources, clinic_id):
    """Return a function that publishes payments. With `known=True`, it publishes the patient of the payments first."""

    def publish(*payment_ids, known=False):
        events = [saved_patient(clinic_id)] if known else []
        events += [saved_payment(payment_id=each, clinic_id=clinic_id, patient_id=clinic_id) for each in payment_ids]
        for event in events:
            resources.feed.xadd(resources.settings.stream, {"event": event_body(event)})

    return publish


def test_time_slice_imports_all_new_entries_and_acknowledges_each_chunk(resources, small_chunk_resources, publish):
    publish("1", "2", "3", "4", known=True)
    chunks = [
        (pending_and_length(resources), stats.imported, stats.noted)
        for stats in import_time_slice(small_chunk_resources, "no-reply")
    ]

    # A chunk is acknowledged when the next one is read, and the last one at the end.
    assert chunks == [((2, 5), 1, 1), ((2, 3), 2, 0), ((1, 1), 1, 0)]
    assert pending_and_length(resources) == (0, 0)


def test_chunk_with_following_work_is_acknowledged_before_its_task_is_enqueued(resources, publish):
    publish("held")
    list(import_time_slice(resources, "no-reply"))
    publish("1", known=True)

    assert [(pending_and_length(resources), stats.released) for stats in import_time_slice(resources, "no-reply")] == [
        ((0, 0), 1)
    ]


def test_committed_chunk_is_acknowledged_if_the_time_slice_is_abandoned(resources, small_chunk_resources, publish):
    publish("1", "2", known=True)
    chunks = import_time_slice(small_chunk_resources, "no-reply")
    next(chunks)
    chunks.close()

    assert pending_and_length(resources) == (0, 1)


def test_committed_entries_are_acknowledged_without_waiting_for_new_ones(resources, publish):
    publish("1")
    (entry,) = resources.streams.read_new_blocking(10, 1)
    publish("2")

    assert len(resources.streams.read_new_blocking(10, 10_000, [entry.entry_id])) == 1
    assert pending_and_length(resources) == (1, 1)
    kept = replace(resources.streams, keeps=True)
    assert kept.read_new_blocking(10, 1, [each.entry_id for each in resources.streams.pending_entries(0)]) == []
    assert pending_and_length(resources) == (0, 1)


def test_request_is_answered_once_when_its_first_chunk_is_read(resources, small_chunk_resources, publish, clinic_id):
    publish("1", "2", "3", known=True)
    chunks = import_time_slice(small_chunk_resources, clinic_id)
    next(chunks)

    assert stream.wait_for_reply(resources.feed, clinic_id, 100)
    assert [stats.imported for stats in chunks] == [2]
    assert not stream.wait_for_reply(resources.feed, clinic_id, 100)


def test_time_slice_waits_a_moment_for_the_next_entry(resources, publish, monkeypatch):
    monkeypatch.setattr(import_attempt, "BLOCK_MS", 10_000)
    publish("1", known=True)
    chunks = import_time_slice(resources, "no-reply")
    next(chunks)
    later: list[ImportStats] = []
    blocked = threading.Thread(target=lambda: later.append(next(chunks)))
    blocked.start()
    publish("2")
    blocked.join(10)

    assert [stats.imported for stats in later] == [1]


def test_time_slice_ends_when_there_is_nothing_new(resources):
    assert list(import_time_slice(resources, "no-reply")) == []


def test_time_slice_ends_on_time_with_entries_left(resources, small_chunk_resources, publish, monkeypatch):
    publish("1", "2", "3", "4", "5", known=True)
    monkeypatch.setattr(import_attempt, "TIME_SLICE_SECONDS", 0)

    assert [(stats.noted, stats.imported) for stats in import_time_slice(small_chunk_resources, "no-reply")] == [(1, 1)]
    assert pending_and_length(resources) == (0, 4)


def test_time_slice_ends_after_it_released_a_held_payment(resources, small_chunk_resources, publish):
    publish("held")
    list(import_time_slice(small_chunk_resources, "no-reply"))
    publish("1", "2", known=True)

    assert [(stats.released, stats.imported) for stats in import_time_slice(small_chunk_resources, "no-reply")] == [
        (1, 1)
    ]
    assert pending_and_length(resources) == (0, 1)


def test_time_slice_ends_after_an_entry_failed(resources, small_chunk_resources, publish):
    publish("poison", "1", "2", known=True)

    assert [(stats.noted, stats.failed) for stats in import_time_slice(small_chunk_resources, "no-reply")] == [(1, 1)]
    assert pending_and_length(resources) == (1, 3)


def test_task_returns_the_statistics_of_its_whole_time_slice(small_chunk_resources, publish, monkeypatch):
    publish("1", "2", "3", "4", known=True)
    monkeypatch.setattr(importing, "get_resources", lambda: small_chunk_resources)

    total = "imported 4, updated 0, held 0, not sent 0, patients and charges noted 1"
    assert importing.import_events(reply_to="no-reply") == total


def test_time_slice_reads_every_stream_of_a_partitioned_feed(resources, clinic_id):
    settings = resources.settings.model_copy(update={"streams": 2, "chunk_events": 2})
    partitioned = replace(resources, settings=settings)
    partitioned.streams.ensure_groups()
    first, *_, last = partitioned.streams.names
    for name in (first, last, last):
        resources.feed.xadd(name, {"event": event_body(saved_patient(clinic_id))})

    assert [stats.noted for stats in import_time_slice(partitioned, "no-reply", [first])] == [1, 1, 1]
    assert partitioned.streams.waiting_count() == 0
    resources.feed.delete(*partitioned.streams.names)


def test_stream_without_a_group_ends_the_time_slice_without_an_error(resources, publish):
    partitioned = replace(resources, settings=resources.settings.model_copy(update={"streams": 2}))
    publish("1", known=True)

    assert [stats.imported for stats in import_time_slice(partitioned, "no-reply")] == [1]
    assert pending_and_length(resources) == (0, 0)
