"""The reader of the feed: what it hands out, when, and what it finds again. Its messages lie in a real broker."""

import json
import threading
from base64 import b64decode
from contextlib import closing, contextmanager

import pytest
import redis

from config.settings import read_settings
from tasks import stream
from workers.intake import LEASE, SINGLE_AFTER, Intake

LEASE_MS = LEASE.seconds * 1_000


@pytest.fixture
def intake(engines, stream_name):
    """An intake that hands out chunks of four and at most ten at a time, and tries again after one short step."""
    with opened(engines, stream_name) as intake:
        yield intake


@contextmanager
def opened(engines, stream_name, **changes):
    settings = {
        "PAYMENTS_STREAM": stream_name,
        "PAYMENTS_CHUNK_EVENTS": "4",
        "PAYMENTS_PENDING_MAX": "10",
        "PAYMENTS_IMPORTER_PROCESSES": "2",
        "PAYMENTS_RETRY_LADDER": "1s,1s,1s",
    }
    with closing(Intake(read_settings(settings | changes), engines)) as intake:
        yield intake


def publish(intake, count):
    return [intake.feed.xadd(intake.stream, {"event": "{}"}).decode() for _ in range(count)]


def sent(intake):
    """Take all messages out of the broker, oldest first, as (task, entry ids)."""
    messages = []
    while raw := intake.broker.rpop(intake.queue):
        message = json.loads(raw)
        _, arguments, _ = json.loads(b64decode(message["body"]))
        messages.append((message["headers"]["task"], arguments["entry_ids"]))
    return messages


def age(intake, entry_ids, deliveries, idle_ms=LEASE_MS + 1_000):
    """Let entries be handed out so often and lie untouched for so long."""
    for entry_id in entry_ids:
        options = {"idle": idle_ms, "retrycount": deliveries, "justid": True}
        intake.feed.xclaim(intake.stream, "billing", "intake", 0, [entry_id], **options)


def test_a_lone_event_leaves_at_once(intake):
    ids = publish(intake, 1)
    intake.turn()

    assert sent(intake) == [("payments.import_events", ids)]


def test_a_backlog_leaves_in_chunks_and_the_rest_waits_on_the_stream(intake):
    ids = publish(intake, 13)
    messages = []
    for _ in range(5):
        intake.turn()
        messages += sent(intake)

    assert messages == [
        ("payments.import_events", ids[0:4]),
        ("payments.import_events", ids[4:8]),
        ("payments.import_events", ids[8:10]),
    ]
    assert stream.outstanding(intake.feed, intake.stream) == 10
    stream.acknowledge(intake.feed, intake.stream, ids[:10])
    intake.turn()
    assert sent(intake) == [("payments.import_events", ids[10:13])]


def test_no_more_is_read_while_the_importer_is_behind(intake):
    publish(intake, 13)
    for _ in range(5):
        intake.turn()

    assert intake.broker.llen(intake.queue) == 2
    assert stream.outstanding(intake.feed, intake.stream) == 8


def test_an_entry_whose_message_was_lost_is_sent_again_after_its_lease(intake):
    ids = publish(intake, 6)
    intake.turn()
    intake.turn()
    sent(intake)

    age(intake, ids, 1, LEASE_MS - 1_000)
    intake.send_again(stream.idle(intake.feed, intake.stream, LEASE_MS))
    assert sent(intake) == []

    age(intake, ids, 1)
    publish(intake, 1)
    intake.sweep()
    intake.turn()
    assert sent(intake)[:2] == [("payments.import_events", ids[:4]), ("payments.import_events", ids[4:])]


def test_an_entry_that_keeps_failing_travels_alone(intake):
    ids = publish(intake, 3)
    intake.turn()
    sent(intake)
    age(intake, ids[:1], 2)
    age(intake, ids[1:], SINGLE_AFTER)

    intake.send_again(stream.idle(intake.feed, intake.stream, LEASE_MS))

    assert sent(intake) == [("payments.import_events", [each]) for each in ids]


def test_an_entry_that_has_used_up_its_ladder_is_given_up(intake):
    ids = publish(intake, 3)
    intake.turn()
    sent(intake)
    age(intake, ids[:1], 4)
    age(intake, ids[1:], 5)

    intake.send_again(stream.idle(intake.feed, intake.stream, LEASE_MS))

    assert sent(intake) == [("payments.import_events", ids[:1]), ("payments.give_up", ids[1:])]


def test_a_failed_entry_waits_longer_than_its_lease(engines, stream_name):
    with opened(engines, stream_name, PAYMENTS_RETRY_LADDER="10h,10h,10h") as intake:
        ids = publish(intake, 4)
        intake.turn()
        sent(intake)
        age(intake, ids, 2)
        intake.send_again(stream.idle(intake.feed, intake.stream, LEASE_MS))
        assert sent(intake) == []

        age(intake, ids, 2, LEASE_MS + 36_000_000)
        intake.send_again(stream.idle(intake.feed, intake.stream, LEASE_MS))
        assert sent(intake) == [("payments.import_events", ids)]


def test_of_two_intakes_one_sends_an_idle_entry_again(intake, engines, stream_name):
    ids = publish(intake, 2)
    intake.turn()
    sent(intake)
    age(intake, ids, 1)
    found = stream.idle(intake.feed, intake.stream, LEASE_MS)

    intake.send_again(found)
    with opened(engines, stream_name) as other:
        other.send_again(found)

    assert sent(intake) == [("payments.import_events", ids)]


def test_nothing_is_handed_out_while_postgres_does_not_answer(engines, stream_name):
    away = type(engines)("postgresql+psycopg://nobody@127.0.0.1:1/none", engines.redis_url, engines.broker_url)
    with opened(away, stream_name) as intake:
        publish(intake, 1)
        intake.stopping.set()  # so that the turn does not wait for the server to come back
        intake.turn()

        assert sent(intake) == []
        assert stream.outstanding(intake.feed, intake.stream) == 0


def test_the_group_is_made_anew_where_the_feed_was_emptied(intake):
    intake.feed.delete(intake.stream)
    ids = publish(intake, 1)
    with pytest.raises(redis.ResponseError, match="NOGROUP"):
        intake.turn()

    running = threading.Thread(target=intake.run)
    intake.feed.delete(intake.stream)
    running.start()
    ids = publish(intake, 1)
    _, message = intake.broker.brpop(intake.queue, timeout=10)
    intake.stopping.set()
    publish(intake, 1)
    running.join()

    assert ids[0].encode() in b64decode(json.loads(message)["body"])


def test_what_a_publisher_put_there_before_the_group_existed_is_read(feed, engines):
    name = "emr:test:before-the-group"
    with opened(engines, name) as intake:
        ids = publish(intake, 1)
        stream.ensure_group(feed, name)
        intake.turn()
        messages = sent(intake)
        feed.delete(name)

    assert messages == [("payments.import_events", ids)]


def test_an_intake_shows_a_sign_of_life(intake):
    intake.feed.delete("payments:intake:heartbeat")
    publish(intake, 1)
    intake.turn()

    assert intake.feed.ttl("payments:intake:heartbeat") > 0


def test_what_waits_for_its_next_try_keeps_no_new_payment_out(intake):
    failing = publish(intake, 10)
    for _ in range(3):
        intake.turn()
        sent(intake)
    age(intake, failing, 3, LEASE_MS + 1_000)
    intake.sweep()
    sent(intake)

    new = publish(intake, 1)
    intake.turn()

    assert sent(intake)[-1:] == [("payments.import_events", new)]
