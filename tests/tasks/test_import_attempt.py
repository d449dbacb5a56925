"""One attempt at entries of the stream, between a real Redis and a real PostgreSQL."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from payments.journeys import reporting
from payments.journeys.reporting import FeedFilter
from payments.journeys.requeueing import requeue
from payments.store.db.connection import transaction
from tasks.feed import import_attempt, stream
from tasks.feed.import_attempt import NotAnsweringError
from tests.make import NOW, body, patient, saved
from tests.tasks.feeding import left

REFUSED = "this payment cannot be stored"


@pytest.fixture
def publish(here, clinic_id):
    """Put payments of a known patient on the stream, hand them out, and return their ids."""

    def publish(*payment_ids, **changes):
        events = [patient(clinic_id)]
        events += [saved(payment_id=each, clinic_id=clinic_id, patient_id=clinic_id, **changes) for each in payment_ids]
        for event in events:
            here.feed.xadd(here.settings.stream, {"event": body(event)})
        return take_new(here)

    return publish


def take_new(here):
    """Take what is new, as an importer does that dies of it, and return the ids."""
    return [entry.entry_id for entry in here.streams.take_new([here.settings.stream], 1_000, "nobody")]


def rows(here, clinic_id):
    with transaction(here.database) as tx:
        found = reporting.claims_feed(tx, FeedFilter(clinics=(clinic_id,)))
        return {row.payment.split("/")[1]: row for row in found}


def failures(here, entry_id):
    """Return the errors that are remembered of an entry that could not yet be read."""
    with transaction(here.database) as tx:
        found = tx.execute(text("SELECT error FROM history WHERE entry_id = :id AND what = 'Failed'"), {"id": entry_id})
        return [error.partition(": ")[2] for error in found.scalars()]


def test_what_is_new_is_taken_a_chunk_at_a_time_and_whoever_waits_hears_of_it(here, clinic_id):
    small = replace(here, settings=here.settings.model_copy(update={"chunk_events": 2}))
    payments = [saved(payment_id=each, clinic_id=clinic_id, patient_id=clinic_id) for each in "12"]
    for event in patient(clinic_id), *payments:
        here.feed.xadd(here.settings.stream, {"event": body(event)})

    assert [str(import_attempt.import_new(small, "listener")) for _ in range(3)] == [
        "imported 1, updated 0, held 0, not sent 0, patients and charges noted 1",
        "imported 1, updated 0, held 0, not sent 0",
        "imported 0, updated 0, held 0, not sent 0",
    ]
    assert all(stream.was_taken(here.feed, "listener", 1_000) for _ in range(3))
    assert left(here) == (0, 0)


def test_entries_are_acknowledged_and_deleted_after_the_commit(here, publish, clinic_id):
    ids = publish("1", "2")
    assert left(here) == (3, 3)

    stats = import_attempt.import_entries(here, ids)

    assert str(stats) == "imported 2, updated 0, held 0, not sent 0, patients and charges noted 1"
    assert left(here) == (0, 0)
    assert {row.status for row in rows(here, clinic_id).values()} == {"Transmission Successful"}


def test_entries_that_another_worker_finished_are_left_out(here, publish):
    ids = publish("1")
    import_attempt.import_entries(here, ids)

    assert import_attempt.import_entries(here, ids).evaluated == 0


def test_one_entry_that_cannot_be_stored_stops_none_of_a_chunk_of_500(here, publish, clinic_id):
    ids = publish(*(f"p{number}" for number in range(498)), "poison")

    stats = import_attempt.import_entries(here, ids)

    assert (stats.imported, stats.noted, stats.failed) == (498, 1, 1)
    assert left(here) == (1, 1)
    assert len(rows(here, clinic_id)) == 498
    (waiting,) = stream.idle(here.feed, here.settings.stream, 0)
    assert waiting.entry_id == ids[-1]
    assert [failures(here, each) for each in ids[-2:]] == [[], [REFUSED]]


def test_an_entry_that_fails_alone_stays_pending_with_each_try_remembered(here, publish):
    ids = publish("poison")
    tallies = [import_attempt.import_entries(here, ids), import_attempt.import_entries(here, ids[-1:])]

    assert [stats.failed for stats in tallies] == [1, 1]
    assert left(here) == (1, 1)
    assert failures(here, ids[-1]) == [REFUSED] * 2


def test_what_is_given_up_is_set_aside_with_its_error_and_can_be_requeued(here, publish, clinic_id):
    ids = publish("poison")
    import_attempt.import_entries(here, ids)

    assert import_attempt.give_up(here, ids[-1:]).refused == 1

    assert left(here) == (0, 0)
    row = rows(here, clinic_id)["poison"]
    assert (row.status, row.reason) == ("Not Sent", "retries_exhausted")
    assert row.detail.endswith(REFUSED)

    with transaction(here.database) as tx:
        assert requeue(tx, [row.payment], NOW, "user:support").count == 1
    assert import_attempt.retry_due(here, 500)[0].refused == 1
    again = rows(here, clinic_id)["poison"]
    assert (again.status, again.reason, again.attempts, again.next_try_at) == ("Not Sent", "retries_exhausted", 2, None)


def test_a_connection_that_is_ended_half_way_leaves_everything_pending(here, publish, clinic_id):
    ids = publish("1", "2")
    with blocked_import(here, ids) as (importing, onlooker, pid):
        onlooker.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        with pytest.raises(OperationalError):
            importing.result()

    assert left(here) == (3, 3)
    assert len(failures(here, ids[0])) == 1
    assert rows(here, clinic_id) == {}
    assert import_attempt.import_entries(here, ids).imported == 2


def test_a_lock_that_is_not_to_be_had_leaves_everything_pending(here, impatient, publish):
    ids, lock_timeout = publish("1"), pytest.raises(OperationalError, match="lock timeout")
    with blocked_import(replace(here, database=impatient), ids) as (importing, _, _), lock_timeout:
        importing.result()

    assert left(here) == (2, 2)
    assert import_attempt.import_entries(here, ids).imported == 1


def test_while_postgres_does_not_answer_no_entry_is_touched(here, publish):
    ids = publish("1")
    away = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none?connect_timeout=2")
    before = stream.idle(here.feed, here.settings.stream, 0)

    with pytest.raises(NotAnsweringError):
        import_attempt.import_entries(replace(here, database=away), ids)

    assert [entry.deliveries for entry in stream.idle(here.feed, here.settings.stream, 0)] == [
        entry.deliveries for entry in before
    ]


def test_garbage_without_an_event_is_kept_as_it_came_and_shown(here):
    entry_id = here.feed.xadd(here.settings.stream, {"evnt": b"\xff{}", b"\xfe": "x"}).decode()

    assert import_attempt.import_new(here, "nobody").refused == 1

    with transaction(here.database) as tx:
        found = tx.execute(text("SELECT status, reason, body FROM set_aside WHERE entry_id = :id"), {"id": entry_id})
        status, reason, kept = found.one()
    assert (status, reason) == ("Validation Failed", "invalid_event")
    assert bytes(kept) == b'{"evnt": "\\\\xff{}", "\\\\xfe": "x"}'
    assert left(here) == (0, 0)


class blocked_import:  # noqa: N801 (reads as a word of the story)
    """An import in a thread of its own that waits for a lock which this block holds."""

    def __init__(self, here, ids):
        self.here, self.ids = here, ids
        self.engine = create_engine(here.database.url)
        self.threads = ThreadPoolExecutor(1)

    def __enter__(self):
        self.holder, self.onlooker = self.engine.connect(), self.engine.connect()
        self.holder.execute(text("LOCK TABLE events IN ACCESS EXCLUSIVE MODE"))
        importing = self.threads.submit(import_attempt.import_entries, self.here, self.ids)
        waiting = text("SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'events'::regclass")
        while not (pid := self.onlooker.execute(waiting).scalar()) and not importing.done():
            self.onlooker.rollback()
        return importing, self.onlooker, pid

    def __exit__(self, *_):
        self.threads.shutdown()
        self.holder.close()
        self.onlooker.close()
        self.engine.dispose()


def test_two_workers_with_the_same_entries_import_each_once(here, publish, clinic_id):
    ids = publish(*(f"p{number}" for number in range(20)))
    start = threading.Barrier(2)

    def work():
        start.wait()
        return import_attempt.import_entries(here, ids)

    with ThreadPoolExecutor(2) as threads:
        tallies = [each.result() for each in [threads.submit(work), threads.submit(work)]]

    assert sum(stats.imported for stats in tallies) == 20
    assert left(here) == (0, 0)
    with transaction(here.database) as tx:
        count = tx.execute(text("SELECT count(*) FROM entries WHERE clinic_id = :id"), {"id": clinic_id}).scalar_one()
    assert count == 20
