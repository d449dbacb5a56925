"""After a deadlock or a serialization failure the transaction is repeated, and no attempt is counted."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from tasks.feed import import_attempt
from tasks.transactions import ATTEMPTS_MAX, run_in_transaction
from tests.builders.events import event_body, next_version, saved_patient, saved_payment
from tests.journeys.test_concurrent_workers import wait_until_blocked
from tests.tasks.dispatching import pending_and_length

pytestmark = pytest.mark.slow

LOCK_LINE_STATEMENT = text("SELECT id FROM lines WHERE clinic_id = :clinic AND payment_id = :payment FOR UPDATE")


def publish(resources, *events):
    """Publish events, read the new entries, and return the entry ids."""
    for event in events:
        resources.feed.xadd(resources.settings.stream, {"event": event_body(event)})
    return [entry.entry_id for entry in resources.streams.read_new([resources.settings.stream], 100, "no-reply")]


@pytest.fixture
def deadlocking_resources(resources):
    """Yield resources whose database sessions have the application name `deadlocking`."""
    engine = create_engine(resources.database.url, connect_args={"application_name": "deadlocking"})
    yield replace(resources, database=engine)
    engine.dispose()


def test_deadlock_is_repeated_without_costing_an_attempt(deadlocking_resources, clinic_id, log_entries):
    firsts = [saved_payment(payment_id=each, clinic_id=clinic_id, patient_id=clinic_id) for each in ("1", "2")]
    import_attempt.import_entries(
        deadlocking_resources, publish(deadlocking_resources, saved_patient(clinic_id), *firsts)
    )
    ids = publish(deadlocking_resources, *(next_version(first, memo="changed") for first in firsts))
    engine = create_engine(deadlocking_resources.database.url)
    with ThreadPoolExecutor(2) as threads, engine.connect() as other, engine.connect() as onlooker:
        # The other session never looks for a deadlock, so that the import is the one that is cancelled.
        other.execute(text("SET LOCAL deadlock_timeout = '10min'"))
        other.execute(LOCK_LINE_STATEMENT, {"clinic": clinic_id, "payment": "2"})
        importing = threads.submit(import_attempt.import_entries, deadlocking_resources, ids)
        wait_until_import_is_blocked(onlooker)
        threads.submit(other.execute, LOCK_LINE_STATEMENT, {"clinic": clinic_id, "payment": "1"}).result()
        other.rollback()
        stats = importing.result()
    engine.dispose()

    assert (stats.updated, stats.failed) == (2, 0)
    assert pending_and_length(deadlocking_resources) == (0, 0)
    assert [entry["event"] for entry in log_entries if entry["log_level"] != "debug"] == ["transaction_repeated"]
    with deadlocking_resources.database.connect() as tx:
        failures = text("SELECT count(*) FROM history WHERE entry_id = ANY(:ids) AND what = 'failed'")
        assert tx.execute(failures, {"ids": ids}).scalar_one() == 0


def wait_until_import_is_blocked(onlooker):
    found = text("SELECT pid FROM pg_stat_activity WHERE application_name = 'deadlocking' AND state = 'active'")
    while (pid := onlooker.execute(found).scalar()) is None:
        onlooker.rollback()
    wait_until_blocked(onlooker, pid)


@pytest.mark.parametrize(
    ("sqlstate", "attempts"), [("40001", ATTEMPTS_MAX), ("40P01", ATTEMPTS_MAX), ("23505", 1), ("57014", 1)]
)
def test_transaction_is_repeated_only_after_a_conflict(database, sqlstate, attempts):
    made = []

    def work(tx):
        made.append(sqlstate)
        tx.execute(text(f"DO $$ BEGIN RAISE SQLSTATE '{sqlstate}'; END $$"))

    with pytest.raises(DBAPIError):
        run_in_transaction(database, work)

    assert len(made) == attempts


def test_transaction_succeeds_once_conflicts_end(database):
    made = []

    def work(tx):
        made.append(len(made))
        if len(made) < ATTEMPTS_MAX:
            tx.execute(text("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$"))
        return "done"

    assert run_in_transaction(database, work) == "done"
    assert len(made) == ATTEMPTS_MAX
