"""The relay keeps events for a full stream in the outbox. It publishes them when Billing has imported earlier ones."""

import json
from typing import Any

import psycopg
import pytest
import redis

from emr import backlog_limit
from emr.client import PaymentFeed
from emr.errors import FeedFullError
from emr.outbox import Relay, refused, waiting
from payments.contract.consumer_group import CONSUMER_GROUP
from payments.contract.stream_partition import stream_for
from tests.emr.test_relay import numbers_on, save_visits, stop_when_empty

Connection = psycopg.Connection[tuple[object, ...]]
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _measure_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog_limit, "MEASURE_MS", 0)


def acknowledge_all(server: redis.Redis, stream: str) -> None:
    """Acknowledge every entry of a stream, and keep it on the stream."""
    answer: Any = server.xreadgroup(CONSUMER_GROUP, "importer", {stream: ">"})
    server.xack(stream, CONSUMER_GROUP, *(entry_id for _, entries in answer for entry_id, _ in entries))


def test_events_of_a_full_stream_stay_in_the_outbox_and_keep_their_order(
    emr: Connection, redis_url: str, stream: str
) -> None:
    save_visits(emr, *range(10))
    with redis.Redis.from_url(redis_url) as server, PaymentFeed(redis_url, stream, unprocessed_max=4) as feed:
        server.xgroup_create(stream, CONSUMER_GROUP, id="0", mkstream=True)
        relay = Relay(emr, feed, chunk=3)
        assert [relay.publish_chunk() for _ in range(2)] == [3, 3]
        with pytest.raises(FeedFullError):
            relay.publish_chunk()
        assert numbers_on(redis_url, stream) == list(range(6))
        assert (waiting(emr), refused(emr)) == (4, [])
        emr.rollback()

        rounds = iter([True, True, True, False])

        def wait() -> bool:
            acknowledge_all(server, stream)
            return next(rounds) and waiting(emr) > 0

        relay.run(wait)
        assert (waiting(emr), refused(emr)) == (0, [])
        assert numbers_on(redis_url, stream) == list(range(10))


def test_events_of_other_streams_are_published_before_those_of_a_full_stream(
    emr: Connection, redis_url: str, stream: str
) -> None:
    companies = {stream_for(stream, 2, f"company-{number}"): f"company-{number}" for number in range(8)}
    full, free = sorted(companies)
    save_visits(emr, *range(4), company_id=companies[full])
    save_visits(emr, 4, 5, 6, company_id=companies[free])
    with (
        redis.Redis.from_url(redis_url) as server,
        PaymentFeed(redis_url, stream, streams=2, unprocessed_max=5) as feed,
    ):
        for number in range(5):
            server.xadd(full, {"event": json.dumps({"number": -number})})
        relay = Relay(emr, feed, chunk=2)
        with pytest.raises(FeedFullError) as error:
            relay.publish_chunk()
        assert error.value.stream == full
        looks = iter([True, False])
        relay.run(lambda: next(looks))
        assert (numbers_on(redis_url, free), waiting(emr)) == ([4, 5, 6], 4)

        server.delete(full)
        relay.run(stop_when_empty(emr))
        assert numbers_on(redis_url, full) == [0, 1, 2, 3]
        server.delete(full, free)
    assert (waiting(emr), refused(emr)) == (0, [])


def test_events_of_a_free_stream_are_published_from_a_chunk_with_a_full_stream(
    emr: Connection, redis_url: str, stream: str
) -> None:
    companies = {stream_for(stream, 2, f"company-{number}"): f"company-{number}" for number in range(8)}
    full, free = sorted(companies)
    for number in range(6):
        save_visits(emr, number, company_id=companies[full if number % 2 else free])
    with (
        redis.Redis.from_url(redis_url) as server,
        PaymentFeed(redis_url, stream, streams=2, unprocessed_max=1) as feed,
    ):
        server.xadd(full, {"event": json.dumps({"number": -1})})
        with pytest.raises(FeedFullError):
            Relay(emr, feed).publish_chunk()
        assert (numbers_on(redis_url, free), waiting(emr)) == ([0, 2, 4], 3)
        server.delete(full, free)
