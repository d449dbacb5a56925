"""The relay: an event that can never be published does not block other events."""

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from structlog.testing import capture_logs

from emr.client import PaymentFeed
from emr.errors import FeedRefusedError
from emr.outbox import Relay, create_table, refused, retry_refused, waiting, write
from payments.contract.size_limit import EVENT_BYTES_MAX
from payments.contract.stream_partition import stream_for

Connection = psycopg.Connection[tuple[object, ...]]
POISON_EVENT = b'{"number": 666}'


def save_visits(emr: Connection, *numbers: int, **more: object) -> None:
    for number in numbers:
        write(emr, {"number": number, **more})
    emr.commit()


def save_large(emr: Connection, byte_count: int) -> None:
    write(emr, b"x" * byte_count)
    emr.commit()


def numbers_on(redis_url: str, stream: str) -> list[int]:
    with redis.Redis.from_url(redis_url, protocol=2) as client:
        return [json.loads(fields[b"event"])["number"] for _, fields in client.xrange(stream)]


def stop_when_empty(emr: Connection, rounds_max: int = 20) -> Callable[[], bool]:
    """Return a `wait` function that stops the relay when the outbox is empty."""
    rounds = iter(range(rounds_max))

    def wait() -> bool:
        left = waiting(emr)
        emr.rollback()
        return left > 0 and next(rounds, None) is not None

    return wait


@pytest.mark.slow
@pytest.mark.parametrize("byte_count", [EVENT_BYTES_MAX + 1, 2 * 1024 * 1024])
def test_oversized_event_is_kept_whole_as_refused_and_other_events_are_published(
    emr: Connection, redis_url: str, stream: str, byte_count: int
) -> None:
    save_visits(emr, 1, 2)
    save_large(emr, byte_count)
    save_visits(emr, 3, 4)

    with PaymentFeed(redis_url, stream) as feed, capture_logs() as messages:
        Relay(emr, feed).run(stop_when_empty(emr))

    assert numbers_on(redis_url, stream) == [1, 2, 3, 4]
    assert waiting(emr) == 0
    (event,) = refused(emr)
    reason = f"{byte_count:,} bytes; an event has at most 65,536"
    assert (event.byte_count, event.reason) == (byte_count, reason)
    assert messages == [{"event": "outbox_event_refused", "log_level": "error", "id": event.id, "reason": reason}]
    assert emr.execute("SELECT event FROM payment_outbox").fetchall() == [(b"x" * byte_count,)]


def test_event_of_the_largest_size_is_published(emr: Connection, redis_url: str, stream: str) -> None:
    save_large(emr, EVENT_BYTES_MAX)
    with PaymentFeed(redis_url, stream) as feed:
        assert Relay(emr, feed).publish_chunk() == 1

    with redis.Redis.from_url(redis_url, protocol=2) as client:
        assert [len(fields[b"event"]) for _, fields in client.xrange(stream)] == [EVENT_BYTES_MAX]
    assert refused(emr) == []


def test_chunk_of_oversized_events_does_not_block_other_events(emr: Connection, redis_url: str, stream: str) -> None:
    for _ in range(5):
        save_large(emr, EVENT_BYTES_MAX + 1)
    save_visits(emr, 1)

    with PaymentFeed(redis_url, stream) as feed:
        relay = Relay(emr, feed, chunk=2)
        assert [relay.publish_chunk() for _ in range(4)] == [2, 2, 2, 0]

    assert numbers_on(redis_url, stream) == [1]
    assert len(refused(emr)) == 5


def test_refused_event_is_published_after_its_repair(emr: Connection, redis_url: str, stream: str) -> None:
    save_large(emr, EVENT_BYTES_MAX + 1)
    save_visits(emr, 2)
    with PaymentFeed(redis_url, stream) as feed:
        relay = Relay(emr, feed)
        relay.publish_chunk()

        emr.execute("UPDATE payment_outbox SET event = %s WHERE id = %s", [b'{"number": 1}', refused(emr)[0].id])
        retry_refused(emr)
        emr.commit()
        assert (waiting(emr), refused(emr)) == (1, [])
        relay.publish_chunk()

    assert numbers_on(redis_url, stream) == [2, 1]
    assert waiting(emr) == 0


def test_full_redis_makes_no_event_a_refused_one(emr: Connection, redis_url: str, stream: str) -> None:
    save_visits(emr, *range(10))
    with redis.Redis.from_url(redis_url) as server, PaymentFeed(redis_url, stream) as feed:
        before = server.config_get("maxmemory")["maxmemory"]
        server.config_set("maxmemory", 1)
        try:
            with pytest.raises(FeedRefusedError, match="rejected the events"):
                Relay(emr, feed, chunk=5).publish_chunk()
        finally:
            server.config_set("maxmemory", before)
        assert (waiting(emr), refused(emr)) == (10, [])

        Relay(emr, feed, chunk=5).run(stop_when_empty(emr))

    assert numbers_on(redis_url, stream) == list(range(10))


def test_broken_stream_delays_only_its_own_events_and_keeps_their_order(
    emr: Connection, redis_url: str, stream: str
) -> None:
    companies = {stream_for(stream, 2, f"company-{number}"): f"company-{number}" for number in range(8)}
    broken, healthy = sorted(companies)
    save_visits(emr, *range(10), company_id=companies[broken])
    save_visits(emr, *range(10, 15), company_id=companies[healthy])
    save_visits(emr, *range(15, 20), company_id=companies[broken])

    with redis.Redis.from_url(redis_url) as server, PaymentFeed(redis_url, stream, streams=2) as feed:
        server.set(broken, "in the way")
        looks = iter([True, False])
        Relay(emr, feed, chunk=4).run(lambda: next(looks))
        assert numbers_on(redis_url, healthy) == list(range(10, 15))
        assert (waiting(emr), refused(emr)) == (15, [])

        server.delete(broken)
        Relay(emr, feed, chunk=4).run(stop_when_empty(emr))
        assert numbers_on(redis_url, broken) == [*range(10), *range(15, 20)]
        server.delete(broken, healthy)
    assert waiting(emr) == 0


def test_rejected_events_become_refused_once_redis_accepts_a_later_event(
    emr: Connection, redis_url: str, stream: str
) -> None:
    write(emr, POISON_EVENT)
    write(emr, POISON_EVENT)
    emr.commit()
    with poison_rejecting_proxy(redis_url) as url, PaymentFeed(url, stream) as feed:
        relay = Relay(emr, feed)
        with pytest.raises(FeedRefusedError, match="no such content"):
            relay.publish_chunk()
        assert (waiting(emr), refused(emr)) == (2, [])

        save_visits(emr, 1, 2)
        relay.run(stop_when_empty(emr))

    assert numbers_on(redis_url, stream) == [1, 2]
    assert [event.reason for event in refused(emr)] == ["no such content"] * 2


def test_table_of_an_earlier_release_is_upgraded_with_its_events(emr: Connection) -> None:
    emr.execute("DROP TABLE payment_outbox")
    emr.execute(
        "CREATE TABLE payment_outbox (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, event bytea NOT NULL)"
    )
    write(emr, b"{}")

    create_table(emr)
    create_table(emr)
    emr.commit()

    assert (waiting(emr), refused(emr)) == (1, [])


@contextmanager
def poison_rejecting_proxy(redis_url: str) -> Iterator[str]:
    """Run a proxy to Redis. It rejects each request that contains the poison text, with an error without a code."""
    there = urlsplit(redis_url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        target = (there.hostname, there.port or 6379)
        threading.Thread(target=_forward_requests, args=(listener, target), daemon=True).start()
        login, at, _ = there.netloc.rpartition("@")
        yield there._replace(netloc=f"{login}{at}127.0.0.1:{listener.getsockname()[1]}").geturl()
        listener.shutdown(socket.SHUT_RDWR)


def _forward_requests(listener: socket.socket, target: tuple[str, int]) -> None:
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        with near, socket.create_connection(target) as far:
            while request := near.recv(1 << 20):
                near.sendall(_read_reply(far, request))


def _read_reply(redis_server: socket.socket, request: bytes) -> bytes:
    if POISON_EVENT in request:
        return b"-ERR no such content\r\n" * len(re.findall(rb"XADD", request))
    redis_server.sendall(request)
    return redis_server.recv(1 << 20)
