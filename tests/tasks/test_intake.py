"""The watcher of the feed: when it asks for what is new to be imported. Its messages lie in a real broker."""

import threading
from contextlib import closing

import psycopg
import pytest
import redis
from sqlalchemy import text

from payments.store.db.connection import transaction
from tasks.feed import stream
from tests.faults.processes import until
from tests.tasks.feeding import age_request, opened, publish, sent, take_new
from workers import intake as watcher
from workers.intake import QUEUED_SECONDS, UNANSWERED_SECONDS, WORKERS
from workers.runtime import stalled_sessions


@pytest.fixture(autouse=True)
def _nobody_is_waited_for_long(monkeypatch):
    """Let an intake listen a moment for what is new and for an answer: here, all comes at once or never."""
    monkeypatch.setattr(watcher, "READ_WAIT_MS", 50)
    monkeypatch.setattr(watcher, "REPLY_WAIT_MS", 50)


def test_a_lone_event_leaves_at_once(intake):
    ids = publish(intake, 1)
    intake.turn()

    assert sent(intake) == ["what is new"]
    assert take_new(intake) == ids


def test_a_backlog_leaves_in_chunks_and_the_rest_waits_on_the_stream(intake):
    ids = publish(intake, 13)
    for _ in range(5):
        intake.turn()
        sent(intake, taking=True)

    assert stream.position(intake.feed, intake.settings.stream) == (8, ids[7])
    stream.acknowledge(intake.feed, intake.settings.stream, ids[:8])
    intake.turn()
    assert sent(intake, taking=True) == ["what is new"]
    assert stream.position(intake.feed, intake.settings.stream) == (4, ids[11])


def test_one_request_at_a_time_waits_for_an_importer(intake):
    publish(intake, 13)
    intake.turn()
    intake.turn()
    assert intake.broker.llen(intake.queue) == 1

    sent(intake, taking=True)
    intake.turn()
    assert sent(intake) == ["what is new"]


def test_a_request_that_got_lost_is_made_again(intake):
    publish(intake, 1)
    intake.turn()
    sent(intake)
    age_request(intake, UNANSWERED_SECONDS)
    intake.turn()

    assert sent(intake) == ["what is new"]


def test_a_request_that_waits_behind_others_is_left_to_wait_for_its_time(intake):
    publish(intake, 1)
    intake.turn()
    age_request(intake, UNANSWERED_SECONDS)
    intake.turn()
    assert sent(intake) == ["what is new"]

    intake.broker.lpush(intake.queue, "another message")
    age_request(intake, QUEUED_SECONDS)
    intake.turn()
    assert intake.broker.llen(intake.queue) == 2


def test_the_answer_to_an_earlier_request_counts_for_nothing(intake):
    publish(intake, 5)
    intake.turn()
    late = intake.asked.reply_to
    sent(intake)
    age_request(intake, UNANSWERED_SECONDS)
    intake.turn()
    take_new(intake, late)
    intake.turn()

    assert sent(intake) == ["what is new"]


def test_nothing_is_handed_out_while_postgres_does_not_answer(engines, stream_name):
    away = type(engines)("postgresql+psycopg://nobody@127.0.0.1:1/none", engines.redis_url, engines.broker_url)
    with opened(away, stream_name) as intake:
        publish(intake, 1)
        intake.stopping.set()  # so that the turn does not wait for the server to come back
        intake.turn()

        assert sent(intake) == []
        assert stream.position(intake.feed, intake.settings.stream).outstanding == 0


@pytest.mark.parametrize("worker", WORKERS)
def test_a_worker_that_fell_silent_while_it_copied_keeps_its_locks_no_longer(intake, monkeypatch, worker):
    monkeypatch.setattr(stalled_sessions, "SILENT_SECONDS_MAX", 0)
    url = intake.database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with closing(psycopg.connect(url, application_name=worker)) as cut_off:
        cut_off.pgconn.exec_(b"BEGIN; CREATE TEMPORARY TABLE rows (row int); COPY rows FROM STDIN")
        pid = cut_off.info.backend_pid

        def is_gone():
            intake.sweep()
            with transaction(intake.database) as tx:
                return not tx.execute(text("SELECT 1 FROM pg_stat_activity WHERE pid = :pid"), {"pid": pid}).first()

        until(is_gone, 10, "it is ended")


def test_the_group_is_made_anew_where_the_feed_was_emptied(intake):
    intake.feed.delete(intake.settings.stream)
    publish(intake, 1)
    with pytest.raises(redis.ResponseError):
        intake.turn()

    running = threading.Thread(target=intake.run)
    intake.feed.delete(intake.settings.stream)
    running.start()
    ids = publish(intake, 1)
    assert intake.broker.brpop(intake.queue, timeout=10)
    intake.stopping.set()
    running.join()

    assert take_new(intake) == ids


def test_what_a_publisher_put_there_before_the_group_existed_is_read(feed, engines):
    name = "emr:test:before-the-group"
    with opened(engines, name) as intake:
        ids = publish(intake, 1)
        stream.ensure_group(feed, name)
        intake.turn()
        assert sent(intake) == ["what is new"]
        assert take_new(intake) == ids
        feed.delete(name)


def test_an_intake_shows_a_sign_of_life(intake):
    intake.feed.delete("payments:intake:heartbeat")
    publish(intake, 1)
    intake.turn()

    assert intake.feed.ttl("payments:intake:heartbeat") > 0
