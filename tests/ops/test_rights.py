"""The rights of each Redis user of docker-compose.yml, on a real server."""

import json
from contextlib import closing

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from config.celery import IMPORTS, celery_settings
from config.engines import Engines
from emr.client import PaymentFeed
from emr.errors import FeedRefusedError
from tasks.feed import stream
from tasks.feed.dispatcher import REPLY_PREFIX
from tasks.resources import connect_redis
from tests.builders.events import saved_patient, saved_payment
from tests.ops.composed import PROBE_USER

pytestmark = pytest.mark.acceptance

STREAM = "emr:payments"


def is_refused(client, *command):
    try:
        client.execute_command(*command)
    except (redis.exceptions.NoPermissionError, redis.AuthenticationError):
        return True
    except redis.ResponseError as error:
        return "NOPERM" in str(error)
    return False


def test_emr_user_can_only_add_to_its_stream(server):
    url = f"redis://emr:emr-secret@127.0.0.1:{server}/0"
    with PaymentFeed(url, STREAM) as feed, PaymentFeed(url, "another") as another:
        assert feed.publish(saved_payment())
        assert feed.publish_many([saved_payment(), saved_patient()]) == 2
        with pytest.raises(FeedRefusedError):
            another.publish(saved_payment())
    with redis.Redis.from_url(url) as client:
        others = [f"XRANGE {STREAM} - +", f"XLEN {STREAM}", f"DEL {STREAM}", f"XTRIM {STREAM} MAXLEN 0", "KEYS *"]
        assert [
            command for command in [*others, "FLUSHALL", "CONFIG GET *"] if not is_refused(client, *command.split())
        ] == []


def test_redis_rejects_anonymous_clients(server):
    with redis.Redis(port=server, retry=Retry(NoBackoff(), 0)) as client:
        assert is_refused(client, "PING")
    with redis.Redis(port=server, **PROBE_USER) as client:
        assert client.ping()
        assert is_refused(client, "XLEN", STREAM)


def test_service_user_reads_the_feed_but_cannot_flush_redis(server):
    url = f"redis://billing:billing-secret@127.0.0.1:{server}/0"
    with closing(connect_redis(url)) as feed:
        stream.ensure_group(feed, STREAM)
        entry = feed.xadd(STREAM, {"event": json.dumps({"type": "nothing"})}).decode()
        seen = stream.group_state(feed, STREAM)
        assert stream.wait_for_new(feed, {STREAM: seen.last_delivered_id}, 10) == [STREAM]
        assert entry in [each.entry_id for each in stream.read_new(feed, [STREAM], 10, f"{REPLY_PREFIX}rights")[STREAM]]
        assert stream.wait_for_reply(feed, f"{REPLY_PREFIX}rights", 1_000)
        claimed = stream.claim(feed, STREAM, [entry]).entries
        stream.acknowledge_and_delete(feed, STREAM, [each.entry_id for each in claimed])
        assert feed.info("memory")["maxmemory_policy"] == "noeviction"
        assert feed.info("persistence")["aof_enabled"] == 1
        others = ["FLUSHDB", "FLUSHALL", "CONFIG SET maxmemory 1", "ACL LIST", "SHUTDOWN", "KEYS *", "SWAPDB 0 1"]
        assert [command for command in others if not is_refused(feed, *command.split())] == []
    assert message_round_trip(Engines.from_urls("postgresql+psycopg://u@h/d", url))


def message_round_trip(engines, adapt=dict):
    from celery import Celery  # noqa: PLC0415 (only this function creates a Celery application)

    app = Celery("rights", set_as_current=False)
    app.conf.update(adapt(celery_settings(engines)))
    with app.connection_for_write() as connection:
        queue = connection.SimpleQueue(app.amqp.queues[IMPORTS])
        queue.put({"entry_ids": ["1-0"]})
        message = queue.get(timeout=5)
        message.ack()
        queue.close()
    return message.payload == {"entry_ids": ["1-0"]}
