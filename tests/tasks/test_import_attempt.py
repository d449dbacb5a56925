"""Attempts to import entries, with a real Redis and a real PostgreSQL."""

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from payments.core.scope import Scope
from payments.journeys import reporting
from payments.journeys.reporting import FeedFilter
from payments.journeys.requeueing import requeue
from payments.store.db.connection import transaction
from tasks.feed import import_attempt, pending, retry_attempt, stream
from tasks.feed.attempt_errors import NotAnsweringError
from tests.builders.events import NOW, event_body, saved_patient, saved_payment
from tests.tasks.dispatching import pending_and_length

REFUSAL_MESSAGE = "this payment cannot be stored"


@pytest.fixture
def publish_and_read(resources, clinic_id):
    """Return a function that publishes payments of a known patient, reads the entries, and returns their ids."""

    def publish_and_read(*payment_ids, **changes):
        events = [saved_patient(clinic_id)]
        events += [
            saved_payment(payment_id=each, clinic_id=clinic_id, patient_id=clinic_id, **changes) for each in payment_ids
        ]
        for event in events:
            resources.feed.xadd(resources.settings.stream, {"event": event_body(event)})
        return read_new(resources)

    return publish_and_read


def read_new(resources):
    """Read new entries without importing them, as an importer that crashes does. Return the entry ids."""
    return [entry.entry_id for entry in resources.streams.read_new([resources.settings.stream], 1_000, "no-reply")]


def rows(resources, clinic_id):
    with transaction(resources.database) as tx:
        found = list(reporting.claims_feed(tx, FeedFilter(scope=Scope.of_clinics(clinic_id))))
        return {row.payment.split("/")[1]: row for row in found}


def recorded_errors(resources, entry_id):
    """Return the recorded errors of an entry that was not imported yet."""
    with transaction(resources.database) as tx:
        found = tx.execute(text("SELECT error FROM history WHERE entry_id = :id AND what = 'failed'"), {"id": entry_id})
        return [error.partition(": ")[2] for error in found.scalars()]


def test_new_entries_are_imported_in_chunks_and_each_read_is_answered(resources, clinic_id):
    small_chunks = replace(resources, settings=resources.settings.model_copy(update={"chunk_events": 2}))
    payments = [saved_payment(payment_id=each, clinic_id=clinic_id, patient_id=clinic_id) for each in "12"]
    for event in saved_patient(clinic_id), *payments:
        resources.feed.xadd(resources.settings.stream, {"event": event_body(event)})

    assert [str(import_attempt.import_new(small_chunks, "listener")) for _ in range(3)] == [
        "imported 1, updated 0, held 0, not sent 0, patients and charges noted 1",
        "imported 1, updated 0, held 0, not sent 0",
        "imported 0, updated 0, held 0, not sent 0",
    ]
    assert all(stream.wait_for_reply(resources.feed, "listener", 1_000) for _ in range(3))
    assert pending_and_length(resources) == (0, 0)


def test_entries_are_acknowledged_and_deleted_after_the_commit(resources, publish_and_read, clinic_id):
    ids = publish_and_read("1", "2")
    assert pending_and_length(resources) == (3, 3)

    stats = import_attempt.import_entries(resources, ids)

    assert str(stats) == "imported 2, updated 0, held 0, not sent 0, patients and charges noted 1"
    assert pending_and_length(resources) == (0, 0)
    assert {row.status for row in rows(resources, clinic_id).values()} == {"Transmission Successful"}


def test_entries_acknowledged_by_another_worker_are_skipped(resources, publish_and_read):
    ids = publish_and_read("1")
    import_attempt.import_entries(resources, ids)

    assert import_attempt.import_entries(resources, ids).evaluated == 0


@pytest.mark.slow
def test_one_unstorable_entry_does_not_stop_the_rest_of_its_chunk(resources, publish_and_read, clinic_id):
    ids = publish_and_read(*(f"p{number}" for number in range(498)), "poison")

    stats = import_attempt.import_entries(resources, ids)

    assert (stats.imported, stats.noted, stats.failed) == (498, 1, 1)
    assert pending_and_length(resources) == (1, 1)
    assert len(rows(resources, clinic_id)) == 498
    (waiting,) = pending.pending_entries(resources.feed, resources.settings.stream, 0)
    assert waiting.entry_id == ids[-1]
    assert [recorded_errors(resources, each) for each in ids[-2:]] == [[], [REFUSAL_MESSAGE]]


def test_failed_entry_stays_pending_and_each_attempt_is_recorded(resources, publish_and_read):
    ids = publish_and_read("poison")
    results = [import_attempt.import_entries(resources, ids), import_attempt.import_entries(resources, ids[-1:])]

    assert [stats.failed for stats in results] == [1, 1]
    assert pending_and_length(resources) == (1, 1)
    assert recorded_errors(resources, ids[-1]) == [REFUSAL_MESSAGE] * 2


def test_dead_letter_keeps_its_error_and_can_be_requeued(resources, publish_and_read, clinic_id):
    ids = publish_and_read("poison")
    import_attempt.import_entries(resources, ids)

    assert import_attempt.dead_letter(resources, ids[-1:]).refused == 1

    assert pending_and_length(resources) == (0, 0)
    row = rows(resources, clinic_id)["poison"]
    assert (row.status, row.reason) == ("Not Sent", "retries_exhausted")
    assert row.detail.endswith(REFUSAL_MESSAGE)

    with transaction(resources.database) as tx:
        assert requeue(tx, [row.payment], NOW, "user:support").count == 1
    assert retry_attempt.retry_due(resources, 500)[0].refused == 1
    again = rows(resources, clinic_id)["poison"]
    assert (again.status, again.reason, again.attempts, again.next_try_at) == ("Not Sent", "retries_exhausted", 2, None)


def test_terminated_connection_leaves_all_entries_pending(resources, publish_and_read, clinic_id):
    ids = publish_and_read("1", "2")
    with BlockedImport(resources, ids) as (importing, observer, pid):
        observer.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        with pytest.raises(OperationalError):
            importing.result()

    assert pending_and_length(resources) == (3, 3)
    assert len(recorded_errors(resources, ids[0])) == 1
    assert rows(resources, clinic_id) == {}
    assert import_attempt.import_entries(resources, ids).imported == 2


def test_lock_timeout_leaves_all_entries_pending(resources, short_lock_database, publish_and_read):
    ids, lock_timeout = publish_and_read("1"), pytest.raises(OperationalError, match="lock timeout")
    with BlockedImport(replace(resources, database=short_lock_database), ids) as (importing, _, _), lock_timeout:
        importing.result()

    assert pending_and_length(resources) == (2, 2)
    assert import_attempt.import_entries(resources, ids).imported == 1


def test_no_entry_is_claimed_while_postgres_does_not_answer(resources, publish_and_read):
    ids = publish_and_read("1")
    down = create_engine("postgresql+psycopg://nobody@127.0.0.1:1/none?connect_timeout=2")
    before = pending.pending_entries(resources.feed, resources.settings.stream, 0)

    with pytest.raises(NotAnsweringError):
        import_attempt.import_entries(replace(resources, database=down), ids)

    assert [entry.deliveries for entry in pending.pending_entries(resources.feed, resources.settings.stream, 0)] == [
        entry.deliveries for entry in before
    ]


class BlockedImport:
    """A context that holds a lock, while a thread runs an import that waits for this lock."""

    def __init__(self, resources, ids):
        self.resources, self.ids = resources, ids
        self.engine = create_engine(resources.database.url)
        self.threads = ThreadPoolExecutor(1)

    def __enter__(self):
        self.holder, self.observer = self.engine.connect(), self.engine.connect()
        self.holder.execute(text("LOCK TABLE events IN ACCESS EXCLUSIVE MODE"))
        importing = self.threads.submit(import_attempt.import_entries, self.resources, self.ids)
        waiting = text("SELECT pid FROM pg_locks WHERE NOT granted AND relation = 'events'::regclass")
        while not (pid := self.observer.execute(waiting).scalar()) and not importing.done():
            self.observer.rollback()
        return importing, self.observer, pid

    def __exit__(self, *_):
        self.threads.shutdown()
        self.holder.close()
        self.observer.close()
        self.engine.dispose()


def test_two_workers_with_the_same_entries_import_each_entry_once(resources, publish_and_read, clinic_id):
    ids = publish_and_read(*(f"p{number}" for number in range(20)))
    start = threading.Barrier(2)

    def work():
        start.wait()
        return import_attempt.import_entries(resources, ids)

    with ThreadPoolExecutor(2) as threads:
        results = [each.result() for each in [threads.submit(work), threads.submit(work)]]

    assert sum(stats.imported for stats in results) == 20
    assert pending_and_length(resources) == (0, 0)
    with transaction(resources.database) as tx:
        count = tx.execute(text("SELECT count(*) FROM entries WHERE clinic_id = :id"), {"id": clinic_id}).scalar_one()
    assert count == 20
