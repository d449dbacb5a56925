"""In an outage of PostgreSQL the circuit breaker stops the import, and no attempt is counted."""

import pytest
from sqlalchemy import text

from payments.core.outage import OutageReason
from payments.core.scope import Scope
from payments.journeys import reporting
from payments.journeys.reporting import FeedFilter
from payments.store.db.connection import transaction
from tasks import importing, wire_names
from tasks.app import TaskFailedError
from tasks.feed import dispatcher as dispatcher_module
from tasks.feed import entry_retry, outage, pending, probe
from tasks.feed.attempt_errors import IsolatedEntry
from tasks.feed.redelivery import Redelivery
from tests.builders.events import event_body, saved_patient, saved_payment
from tests.tasks.dispatching import open_dispatcher, pending_and_length, take_messages
from tests.tasks.refusing import refused_rows
from tests.tasks.test_entry_retry import age_entries, delivery_counts

pytestmark = pytest.mark.slow

OUTAGE_REASON_BY_ERROR = {
    "read_only_sql_transaction": "read_only",
    "insufficient_privilege": "permission_denied",
    "undefined_table": "schema_mismatch",
    "undefined_column": "schema_mismatch",
    "disk_full": "disk_full",
    "io_error": "disk_error",
    "out_of_memory": "out_of_memory",
    "lock_not_available": "lock_timeout",
    "query_canceled": "time_limit",
    "too_many_connections": "database_unavailable",
}


@pytest.fixture(autouse=True)
def _quick_dispatcher(monkeypatch):
    """Shorten blocking reads and the intervals between probes."""
    monkeypatch.setattr(dispatcher_module, "BLOCK_MS", 50)
    monkeypatch.setattr(dispatcher_module, "CHECK_MS", 0)
    monkeypatch.setattr(probe, "INTERVALS_MS", (0,))


@pytest.fixture
def dispatcher(engines, stream_name, worker_process):
    """Open a dispatcher whose import tasks run in this process."""
    with open_dispatcher(engines, stream_name, PAYMENTS_PENDING_MAX="100", PAYMENTS_RETRY_LADDER="1s,1s") as opened:
        yield opened


@pytest.fixture
def publish(resources, clinic_id):
    """Return a function that publishes payments of a known patient."""

    def publish(*payment_ids):
        for event in (
            saved_patient(clinic_id),
            *(saved_payment(payment_id=each, clinic_id=clinic_id, patient_id=clinic_id) for each in payment_ids),
        ):
            resources.feed.xadd(resources.settings.stream, {"event": event_body(event)})

    return publish


def failing_lines(database, state, condition="true"):
    """Refuse lines that meet the condition, with the SQLSTATE that PostgreSQL names `state`."""
    return refused_rows(database, "lines", condition, state)


def run_cycle(dispatcher, *, later=True):
    """Run a cycle of the dispatcher, and then the tasks that it sent. Return the names of the tasks.

    If `later`, first age each pending entry past its lease and its backoff delay.
    """
    if later:
        for each in dispatcher.streams.pending_entries(0):
            age_entries(dispatcher.resources, [each.entry_id], each.deliveries)
    dispatcher.next_sweep_ms = 0
    dispatcher.run_cycle()
    sent = take_messages(dispatcher)
    dispatcher.in_flight_request = None
    for name in sent:
        task = importing.retry_entries if name == wire_names.RETRY_ENTRIES else importing.import_events
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(outage.log, "error", lambda *_, **__: None)
            run_task(task)
    return sent


def run_task(task):
    """Run a task. If it fails, only log the error, as a worker does."""
    try:
        task() if task is importing.retry_entries else task(reply_to="no-reply")
    except TaskFailedError:
        return


def status_by_payment(resources, clinic_id):
    with transaction(resources.database) as tx:
        found = reporting.claims_feed(tx, FeedFilter(scope=Scope.of_clinics(clinic_id)))
        return {row.payment.split("/")[1]: row.status for row in found}


@pytest.mark.parametrize("state", OUTAGE_REASON_BY_ERROR)
def test_outage_pauses_the_import_and_counts_no_attempt(dispatcher, publish, resources, clinic_id, state):
    publish(*"123")
    with failing_lines(resources.database, state):
        assert run_cycle(dispatcher, later=False) == ["new entries"]
        assert outage.current(resources.feed).reason == OUTAGE_REASON_BY_ERROR[state]
        publish(*"456")
        for _ in range(5):
            assert run_cycle(dispatcher) == []
        assert set(delivery_counts(resources).values()) == {1}
        assert pending_and_length(resources)[0] <= 4
        assert status_by_payment(resources, clinic_id) == {}

    for _ in range(4):
        run_cycle(dispatcher)

    assert outage.current(resources.feed) is None
    assert status_by_payment(resources, clinic_id) == dict.fromkeys("123456", "Transmission Successful")
    assert pending_and_length(resources) == (0, 0)


@pytest.mark.parametrize("reason", OutageReason)
def test_successful_import_ends_an_outage_that_affects_every_entry(resources, publish, reason):
    publish(*"123")
    outage.report(resources.feed, reason)

    assert probe.Probe(resources).probe(outage.current(resources.feed))

    assert outage.current(resources.feed) is None
    on_feed = pending_and_length(resources)[1]
    assert (on_feed > 0) is (reason.affects_every_payment or reason.may_concern_one_payment)


@pytest.mark.parametrize("state", ["lock_not_available", "query_canceled", "out_of_memory"])
def test_entry_that_fails_like_in_an_outage_while_others_succeed_is_dead_lettered(
    dispatcher, publish, resources, clinic_id, state
):
    publish("1", "odd", "2")
    with failing_lines(resources.database, state, "NEW.payment_id = 'odd'"):
        for number in range(30):
            publish(f"later-{number}")
            run_cycle(dispatcher)

    statuses = status_by_payment(resources, clinic_id)
    assert statuses.pop("odd") == "Not Sent"
    assert set(statuses.values()) == {"Transmission Successful"}
    assert len(statuses) == 32
    assert outage.current(resources.feed) is None


def test_only_entry_on_the_feed_loses_no_attempt_while_its_error_may_be_an_outage(
    dispatcher, publish, resources, clinic_id
):
    publish("odd")
    with failing_lines(resources.database, "lock_not_available"):
        for _ in range(20):
            run_cycle(dispatcher)
        assert set(delivery_counts(resources).values()) <= {1, pending.ISOLATED_DELIVERIES}

    for _ in range(4):
        run_cycle(dispatcher)
    assert status_by_payment(resources, clinic_id) == {"odd": "Transmission Successful"}


def test_breaker_stays_closed_after_an_error_of_one_entry(dispatcher, publish, resources, clinic_id):
    publish("1", "poison", "2")
    run_cycle(dispatcher, later=False)

    assert outage.current(resources.feed) is None
    assert status_by_payment(resources, clinic_id) == dict.fromkeys("12", "Transmission Successful")


def test_due_line_loses_no_attempt_in_an_outage(worker_process, publish, resources, dispatcher, clinic_id):
    resources.feed.xadd(
        resources.settings.stream,
        {"event": event_body(saved_payment(payment_id="held", clinic_id=clinic_id, patient_id=clinic_id))},
    )
    run_cycle(dispatcher, later=False)
    with transaction(resources.database) as tx:
        tx.execute(text("UPDATE lines SET due_at = now() WHERE clinic_id = :id"), {"id": clinic_id})
        before = tx.execute(text("SELECT attempts, waits FROM lines WHERE clinic_id = :id"), {"id": clinic_id}).one()
        tx.execute(text("ALTER TABLE history RENAME TO history_away"))
    try:
        with pytest.raises(TaskFailedError):
            importing.retry_due()
    finally:
        with transaction(resources.database) as tx:
            tx.execute(text("ALTER TABLE history_away RENAME TO history"))
            after = tx.execute(text("SELECT attempts, waits FROM lines WHERE clinic_id = :id"), {"id": clinic_id})
            assert after.one() == before
    assert outage.current(resources.feed).reason == "schema_mismatch"


def test_dispatcher_imports_the_feed_itself_while_the_broker_does_not_answer(
    engines, stream_name, publish, resources, clinic_id
):
    unreachable = type(engines)(engines.database_url, engines.redis_url, "redis://127.0.0.1:1/0")
    publish(*"123")
    with open_dispatcher(unreachable, stream_name, PAYMENTS_PENDING_MAX="100") as dispatcher:
        with pytest.raises(Exception, match=r"127\.0\.0\.1:1"):
            dispatcher.run_cycle()
        assert dispatcher.import_unrequested()

    assert status_by_payment(resources, clinic_id) == dict.fromkeys("123", "Transmission Successful")
    assert pending_and_length(resources) == (0, 0)


def test_redelivery_requests_one_retry_of_all_due_entries(resources, publish, feed):
    publish(*"123")
    ids = [entry.entry_id for entry in resources.streams.read_new([resources.settings.stream], 10, "no-reply")]
    age_entries(resources, ids, 1)

    Redelivery(resources.streams, resources.broker, resources.settings.retry_ladder).sweep()

    assert entry_retry.retry_entries(resources)[0].imported == 3


def test_probe_of_a_partitioned_feed_imports_one_entry(resources, engines, stream_name, clinic_id):
    """One stream contains a patient, which is imported. Another contains a payment, which the outage affects."""
    with open_dispatcher(engines, stream_name, PAYMENTS_STREAMS="2", PAYMENTS_PENDING_MAX="100") as dispatcher:
        dispatcher.streams.ensure_groups()
        unnumbered, *_, last = dispatcher.streams.names
        payment = saved_payment(payment_id="1", clinic_id=clinic_id, patient_id=clinic_id)
        resources.feed.xadd(unnumbered, {"event": event_body(saved_patient(clinic_id))})
        resources.feed.xadd(last, {"event": event_body(payment)})
        with failing_lines(resources.database, "disk_full"):
            outage.report(resources.feed, OutageReason.DISK_FULL)

            assert not dispatcher.probe.probe(outage.current(resources.feed))

            (pending,) = dispatcher.streams.pending_entries(0)
            assert outage.current(resources.feed).blocked_entry == IsolatedEntry(pending.entry_id, 1)
            assert resources.feed.xlen(unnumbered) == 0
        resources.feed.delete(*dispatcher.streams.names)


def test_isolated_entry_that_fails_in_an_import_by_the_dispatcher_reports_an_outage(dispatcher, publish, resources):
    publish("1")
    (_, entry_id) = [each.entry_id for each in resources.streams.read_new([resources.settings.stream], 9, "no-reply")]
    age_entries(resources, [entry_id], pending.ISOLATED_DELIVERIES)
    with failing_lines(resources.database, "disk_full"):
        assert not dispatcher.import_unrequested()

    assert outage.current(resources.feed).blocked_entry == IsolatedEntry(entry_id, pending.ISOLATED_DELIVERIES)
