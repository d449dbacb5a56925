"""A turn of the importer: it goes on while more comes, chunk by chunk, and ends where others come first."""

import threading
from dataclasses import replace

import pytest

from payments.core.import_stats import ImportStats
from tasks import importing
from tasks.feed import import_attempt, stream
from tests.make import body, patient, saved
from tests.tasks.feeding import left


@pytest.fixture
def small(here):
    """A worker that takes two entries at a time."""
    return replace(here, settings=here.settings.model_copy(update={"chunk_events": 2}))


@pytest.fixture
def publish(here, clinic_id):
    """Put payments on the stream, and before them their patient if Billing is to know them."""

    def publish(*payment_ids, known=False):
        events = [patient(clinic_id)] if known else []
        events += [saved(payment_id=each, clinic_id=clinic_id, patient_id=clinic_id) for each in payment_ids]
        for event in events:
            here.feed.xadd(here.settings.stream, {"event": body(event)})

    return publish


def test_a_turn_imports_all_that_is_new_each_chunk_by_itself(here, small, publish):
    publish("1", "2", "3", "4", known=True)
    waiting = [(left(here), stats.imported, stats.noted) for stats in import_attempt.import_turn(small, "nobody")]

    # What a chunk came to is acknowledged before the next is taken.
    assert waiting == [((0, 3), 1, 1), ((0, 1), 2, 0), ((0, 0), 1, 0)]


def test_whoever_asked_hears_at_the_first_chunk_that_it_was_taken(here, small, publish, clinic_id):
    publish("1", "2", "3", known=True)
    turn = import_attempt.import_turn(small, clinic_id)
    next(turn)

    assert stream.was_taken(here.feed, clinic_id, 100)
    assert [stats.imported for stats in turn] == [2]
    assert not stream.was_taken(here.feed, clinic_id, 100)


def test_what_comes_a_moment_later_is_taken_in_the_same_turn(here, publish, monkeypatch):
    monkeypatch.setattr(import_attempt, "LINGER_MS", 10_000)
    publish("1", known=True)
    turn = import_attempt.import_turn(here, "nobody")
    next(turn)
    taken: list[ImportStats] = []
    waits = threading.Thread(target=lambda: taken.append(next(turn)))
    waits.start()
    publish("2")
    waits.join(10)

    assert [stats.imported for stats in taken] == [1]


def test_a_turn_ends_when_nothing_more_comes(here):
    assert list(import_attempt.import_turn(here, "nobody")) == []


def test_a_turn_is_over_after_its_time_however_much_is_waiting(here, small, publish, monkeypatch):
    publish("1", "2", "3", "4", "5", known=True)
    monkeypatch.setattr(import_attempt, "NEW_TURN_SECONDS", 0)

    assert [(stats.noted, stats.imported) for stats in import_attempt.import_turn(small, "nobody")] == [(1, 1)]
    assert left(here) == (0, 4)


def test_who_is_released_comes_before_what_is_new(here, small, publish):
    publish("held")
    list(import_attempt.import_turn(small, "nobody"))
    publish("1", "2", known=True)

    assert [(stats.released, stats.imported) for stats in import_attempt.import_turn(small, "nobody")] == [(1, 1)]
    assert left(here) == (0, 1)


def test_after_a_failure_the_intake_decides_whether_more_is_taken(here, small, publish):
    publish("poison", "1", "2", known=True)

    assert [(stats.noted, stats.failed) for stats in import_attempt.import_turn(small, "nobody")] == [(1, 1)]
    assert left(here) == (1, 3)


def test_the_result_of_a_task_is_what_all_of_its_turn_came_to(small, publish, monkeypatch):
    publish("1", "2", "3", "4", known=True)
    monkeypatch.setattr(importing, "resources", lambda: small)

    whole = "imported 4, updated 0, held 0, not sent 0, patients and charges noted 1"
    assert importing.import_events(reply_to="nobody") == whole


def test_of_a_divided_feed_a_turn_goes_on_with_what_is_new_on_any_stream(here, clinic_id):
    divided = replace(here, settings=here.settings.model_copy(update={"streams": 2, "chunk_events": 2}))
    divided.streams.ensure_groups()
    first, *_, last = divided.streams.names
    for name in (first, last, last):
        here.feed.xadd(name, {"event": body(patient(clinic_id))})

    assert [stats.noted for stats in import_attempt.import_turn(divided, "nobody", [first])] == [1, 1, 1]
    assert divided.streams.length() == 0
    here.feed.delete(*divided.streams.names)


def test_a_stream_that_nobody_has_prepared_yet_ends_the_turn_and_fails_nothing(here, publish):
    divided = replace(here, settings=here.settings.model_copy(update={"streams": 2}))
    publish("1", known=True)

    assert [stats.imported for stats in import_attempt.import_turn(divided, "nobody")] == [1]
    assert left(here) == (0, 0)
