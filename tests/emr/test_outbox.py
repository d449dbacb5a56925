"""The outbox commits with the EMR's transaction, survives Redis outages, and allows concurrent relays."""

import json
import socket
import threading

import psycopg
import pytest
import redis

from emr.client import PaymentFeed
from emr.errors import FeedUnreachableError
from emr.outbox import Relay, waiting, write

pytestmark = pytest.mark.slow

Connection = psycopg.Connection[tuple[object, ...]]


def published_numbers(redis_url: str, stream: str) -> list[int]:
    """Return the visit numbers of the events on the stream."""
    with redis.Redis.from_url(redis_url, protocol=2) as client:
        return [json.loads(fields[b"event"])["number"] for _, fields in client.xrange(stream)]


def save_visit(emr: Connection, number: int) -> None:
    emr.execute("INSERT INTO visits VALUES (%s)", [number])
    write(emr, {"number": number})


def unreachable_feed() -> PaymentFeed:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    return PaymentFeed(f"redis://127.0.0.1:{port}")


def test_outbox_event_commits_with_its_save(emr: Connection) -> None:
    save_visit(emr, 1)
    emr.rollback()
    assert waiting(emr) == 0

    save_visit(emr, 2)
    emr.commit()
    assert waiting(emr) == 1


def test_outbox_events_are_published_in_order_after_an_outage(emr: Connection, redis_url: str, stream: str) -> None:
    for number in range(25):
        save_visit(emr, number)
        emr.commit()

    with unreachable_feed() as away, pytest.raises(FeedUnreachableError):
        Relay(emr, away).publish_chunk()
    assert waiting(emr) == 25

    with PaymentFeed(redis_url, stream) as feed:
        counts = [Relay(emr, feed, chunk=10).publish_chunk() for _ in range(4)]

    assert counts == [10, 10, 5, 0]
    assert published_numbers(redis_url, stream) == list(range(25))
    assert waiting(emr) == 0


def test_relay_interrupted_before_its_commit_publishes_again(
    emr: Connection, emr_url: str, redis_url: str, stream: str
) -> None:
    class InterruptedFeed(PaymentFeed):
        def publish_many(self, *arguments: object, **options: object) -> int:
            count = super().publish_many(*arguments, **options)
            emr.execute("SELECT pg_terminate_backend(%s)", [relays.info.backend_pid])
            return count

    save_visit(emr, 1)
    emr.commit()
    with (
        psycopg.connect(emr_url) as relays,
        InterruptedFeed(redis_url, stream) as feed,
        pytest.raises(psycopg.OperationalError),
    ):
        Relay(relays, feed).publish_chunk()
    emr.rollback()
    assert waiting(emr) == 1

    with PaymentFeed(redis_url, stream) as feed:
        Relay(emr, feed).publish_chunk()

    assert published_numbers(redis_url, stream) == [1, 1]
    assert waiting(emr) == 0


@pytest.mark.slow
def test_concurrent_relays_publish_each_event_once(emr: Connection, emr_url: str, redis_url: str, stream: str) -> None:
    for number in range(2_000):
        save_visit(emr, number)
    emr.commit()

    def relay() -> None:
        with psycopg.connect(emr_url) as connection, PaymentFeed(redis_url, stream) as feed:
            Relay(connection, feed, chunk=50).run(lambda: waiting(connection) > 0)

    relays = [threading.Thread(target=relay) for _ in range(4)]
    for each in relays:
        each.start()
    for each in relays:
        each.join(30)

    assert sorted(published_numbers(redis_url, stream)) == list(range(2_000))


def test_relay_waits_during_an_outage_and_resumes(emr: Connection, redis_url: str, stream: str) -> None:
    with redis.Redis.from_url(redis_url) as server, PaymentFeed(redis_url, stream) as feed:
        server.set(stream, "in the way of the feed")
        save_visit(emr, 1)
        emr.commit()
        looks = 0

        def wait() -> bool:
            nonlocal looks
            looks += 1
            if looks == 1:
                server.delete(stream)
            return looks < 3

        Relay(emr, feed).run(wait)

    assert published_numbers(redis_url, stream) == [1]
