"""The dispatcher requests imports of new entries through a real broker."""

import threading
from contextlib import closing

import psycopg
import pytest
import redis
from sqlalchemy import text

from payments.store.db.connection import transaction
from tasks.feed import dispatcher as dispatcher_module
from tasks.feed import stalled_sessions, stream
from tasks.feed.dispatcher import (
    QUEUED_REQUEST_TIMEOUT_MS,
    REQUEST_TIMEOUT_MS,
    WORKER_APPLICATION_NAMES,
)
from tasks.feed.stream import GroupState
from tests.faults.processes import wait_for
from tests.tasks.dispatching import IMPORT_REQUEST, age_request, open_dispatcher, publish, read_new, take_messages


@pytest.fixture(autouse=True)
def _short_blocking(monkeypatch):
    """Shorten blocking reads. In these tests an entry or a reply arrives either immediately or never."""
    monkeypatch.setattr(dispatcher_module, "BLOCK_MS", 50)
    monkeypatch.setattr(dispatcher_module, "REPLY_TIMEOUT_MS", 50)


def test_import_of_a_single_event_is_requested_immediately(dispatcher):
    ids = publish(dispatcher, 1)
    dispatcher.run_cycle()

    assert take_messages(dispatcher) == [IMPORT_REQUEST]
    assert read_new(dispatcher) == ids


def test_backlog_is_requested_in_chunks_up_to_the_pending_limit(dispatcher):
    ids = publish(dispatcher, 13)
    for _ in range(5):
        dispatcher.run_cycle()
        take_messages(dispatcher, reading=True)

    assert stream.group_state(dispatcher.feed, dispatcher.settings.stream) == GroupState(8, 8, ids[7])
    stream.acknowledge_and_delete(dispatcher.feed, dispatcher.settings.stream, ids[:8])
    dispatcher.run_cycle()
    assert take_messages(dispatcher, reading=True) == [IMPORT_REQUEST]
    assert stream.group_state(dispatcher.feed, dispatcher.settings.stream) == GroupState(4, 4, ids[11])


def test_one_request_is_in_flight_at_a_time(dispatcher):
    publish(dispatcher, 13)
    dispatcher.run_cycle()
    dispatcher.run_cycle()
    assert dispatcher.broker.llen(dispatcher.queue_key) == 1

    take_messages(dispatcher, reading=True)
    dispatcher.run_cycle()
    assert take_messages(dispatcher) == [IMPORT_REQUEST]


def test_lost_request_is_sent_again(dispatcher):
    publish(dispatcher, 1)
    dispatcher.run_cycle()
    take_messages(dispatcher)
    age_request(dispatcher, REQUEST_TIMEOUT_MS)
    dispatcher.run_cycle()

    assert take_messages(dispatcher) == [IMPORT_REQUEST]


def test_queued_request_has_a_longer_timeout(dispatcher):
    publish(dispatcher, 1)
    dispatcher.run_cycle()
    age_request(dispatcher, REQUEST_TIMEOUT_MS)
    dispatcher.run_cycle()
    assert take_messages(dispatcher) == [IMPORT_REQUEST]

    dispatcher.broker.lpush(dispatcher.queue_key, "another message")
    age_request(dispatcher, QUEUED_REQUEST_TIMEOUT_MS)
    dispatcher.run_cycle()
    assert dispatcher.broker.llen(dispatcher.queue_key) == 2


def test_reply_to_an_earlier_request_is_ignored(dispatcher):
    publish(dispatcher, 5)
    dispatcher.run_cycle()
    earlier = dispatcher.in_flight_request.reply_to
    take_messages(dispatcher)
    age_request(dispatcher, REQUEST_TIMEOUT_MS)
    dispatcher.run_cycle()
    read_new(dispatcher, earlier)
    dispatcher.run_cycle()

    assert take_messages(dispatcher) == [IMPORT_REQUEST]


def test_nothing_is_requested_while_postgres_does_not_answer(engines, stream_name, log_entries):
    down = type(engines)("postgresql+psycopg://nobody@127.0.0.1:1/none", engines.redis_url, engines.broker_url)
    with open_dispatcher(down, stream_name) as dispatcher:
        publish(dispatcher, 1)
        dispatcher.stopping.set()  # so that the cycle does not wait
        dispatcher.run_cycle()

        assert take_messages(dispatcher) == []
        assert stream.pending_count(dispatcher.feed, dispatcher.settings.stream) == 0
        dispatcher.run_cycle()
    assert [(entry["event"], entry["reason"]) for entry in log_entries] == [("import_paused", "database_unavailable")]


@pytest.mark.parametrize("worker", WORKER_APPLICATION_NAMES)
def test_session_of_a_worker_stalled_in_copy_is_terminated(dispatcher, monkeypatch, worker):
    monkeypatch.setattr(stalled_sessions, "STALLED_MS_MAX", 0)
    url = dispatcher.database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg.connect(url, application_name=worker)) as stalled:
        stalled.pgconn.exec_(b"BEGIN; CREATE TEMPORARY TABLE rows (row int); COPY rows FROM STDIN")
        pid = stalled.info.backend_pid

        def is_gone():
            dispatcher.sweep()
            with transaction(dispatcher.database) as tx:
                return not tx.execute(text("SELECT 1 FROM pg_stat_activity WHERE pid = :pid"), {"pid": pid}).first()

        wait_for(is_gone, 10, "it is terminated")


def test_group_is_recreated_after_the_feed_was_emptied(dispatcher):
    dispatcher.feed.delete(dispatcher.settings.stream)
    publish(dispatcher, 1)
    with pytest.raises(redis.ResponseError):
        dispatcher.run_cycle()

    running = threading.Thread(target=dispatcher.run)
    dispatcher.feed.delete(dispatcher.settings.stream)
    running.start()
    ids = publish(dispatcher, 1)
    assert dispatcher.broker.brpop(dispatcher.queue_key, timeout=10)
    dispatcher.stopping.set()
    running.join()

    assert read_new(dispatcher) == ids


def test_entry_published_before_the_group_existed_is_read(feed, engines):
    name = "emr:test:before-the-group"
    with open_dispatcher(engines, name) as dispatcher:
        ids = publish(dispatcher, 1)
        stream.ensure_group(feed, name)
        dispatcher.run_cycle()
        assert take_messages(dispatcher) == [IMPORT_REQUEST]
        assert read_new(dispatcher) == ids
        feed.delete(name)


def test_cycle_sends_a_heartbeat_that_expires(dispatcher):
    dispatcher.feed.delete("payments:intake:heartbeat")
    publish(dispatcher, 1)
    dispatcher.run_cycle()

    assert dispatcher.feed.ttl("payments:intake:heartbeat") > 0
