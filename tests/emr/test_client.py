"""The publishing client on a real Redis server, directly or through a proxy that loses replies."""

import json
import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from emr import connection
from emr.client import PaymentFeed, SigningKey
from emr.errors import FeedRefusedError, FeedUnreachableError
from payments.contract.event import Event, PatientSaved, read_event
from payments.contract.signature import signature_of

PATIENT_FIELDS = {
    "schema": 1,
    "type": "patient.saved",
    "event_id": "11111111-1111-4111-8111-111111111111",
    "company_id": "company-1",
    "patient_id": "patient-1",
    "version": 1,
    "saved_at": "2026-10-05T10:00:00-07:00",
    "name": "Zoë Müller",
}


def bodies_on(server: redis.Redis, stream: str) -> list[bytes]:
    entries = server.xrange(stream)
    assert all(set(fields) == {b"event"} for _, fields in entries)
    return [fields[b"event"] for _, fields in entries]


def test_signing_key_signs_the_published_bytes(redis_url: str, server: redis.Redis, stream: str) -> None:
    key = SigningKey("2026-10", b"s" * 32)
    with PaymentFeed(redis_url, stream, sign=key.sign) as feed:
        feed.publish(PATIENT_FIELDS)
        feed.publish_many([b"\xff not an event"])

    for _, fields in server.xrange(stream):
        assert set(fields) == {b"event", b"signature"}
        assert fields[b"signature"].decode() == signature_of(fields[b"event"], "2026-10", b"s" * 32)
    assert "sss" not in repr(key)


def test_each_event_form_becomes_one_entry_with_one_field(redis_url: str, server: redis.Redis, stream: str) -> None:
    model: Event = PatientSaved.model_validate(PATIENT_FIELDS)
    with PaymentFeed(redis_url, stream) as feed:
        entry_ids = [feed.publish(model), feed.publish(PATIENT_FIELDS), feed.publish(b"\xff not an event")]

    assert [entry_id.encode() for entry_id in entry_ids] == [entry_id for entry_id, _ in server.xrange(stream)]
    bodies = bodies_on(server, stream)
    assert read_event(bodies[0]) == model
    assert json.loads(bodies[1]) == PATIENT_FIELDS
    assert bodies[2] == b"\xff not an event"


def test_publish_many_keeps_order_with_one_chunk_in_memory(redis_url: str, server: redis.Redis, stream: str) -> None:
    made = 0
    held: list[int] = []
    told: list[int] = []

    def events() -> Iterator[bytes]:
        nonlocal made
        for made in range(1, 1_251):
            yield str(made).encode()

    def on_progress(count: int) -> None:
        told.append(count)
        held.append(made - count)

    with PaymentFeed(redis_url, stream) as feed:
        assert feed.publish_many(events(), chunk=500, on_progress=on_progress) == 1_250

    assert told == [500, 1_000, 1_250]
    assert held == [0, 0, 0]
    assert bodies_on(server, stream) == [str(number).encode() for number in range(1, 1_251)]


def test_publishing_no_events_adds_no_entry(redis_url: str, server: redis.Redis, stream: str) -> None:
    with PaymentFeed(redis_url, stream) as feed:
        assert feed.publish_many(iter(())) == 0
        with pytest.raises(ValueError, match="not 0"):
            feed.publish_many([b"{}"], chunk=0)

    assert not server.exists(stream)


def test_write_with_a_lost_reply_is_not_repeated_silently(redis_url: str, server: redis.Redis, stream: str) -> None:
    with (
        _proxy_losing_reply(b"XADD", redis_url) as url,
        PaymentFeed(url, stream) as feed,
        pytest.raises(FeedUnreachableError, match="Publish again"),
    ):
        feed.publish(PATIENT_FIELDS)

    assert len(bodies_on(server, stream)) == 1

    with PaymentFeed(redis_url, stream) as feed:
        feed.publish(PATIENT_FIELDS)
    first, again = map(read_event, bodies_on(server, stream))
    assert first.event_id == again.event_id


def test_publish_error_states_the_confirmed_count(redis_url: str, server: redis.Redis, stream: str) -> None:
    events = [b"1", b"2", b"3", b"the reply to this one is lost", b"5"]
    with (
        _proxy_losing_reply(b"the reply to this one", redis_url) as url,
        PaymentFeed(url, stream) as feed,
        pytest.raises(FeedUnreachableError, match="2 were confirmed") as raised,
    ):
        feed.publish_many(events, chunk=2)

    assert raised.value.confirmed_count == 2
    assert bodies_on(server, stream) == events[:4]


def test_unreachable_server_is_named_without_its_password() -> None:
    with PaymentFeed(f"redis://emr:s3cret@127.0.0.1:{_free_port()}/3") as feed:
        for publish in (lambda: feed.publish(PATIENT_FIELDS), lambda: feed.publish_many([PATIENT_FIELDS])):
            with pytest.raises(FeedUnreachableError, match=r"127\.0\.0\.1:\d+/3") as raised:
                publish()
            assert "s3cret" not in str(raised.value)


def test_unix_socket_server_is_named_by_its_path(tmp_path: Path) -> None:
    with (
        PaymentFeed(f"unix://{tmp_path}/feed.sock?db=2") as feed,
        pytest.raises(FeedUnreachableError, match=r"feed\.sock\?db=2"),
    ):
        feed.publish(PATIENT_FIELDS)


def test_unresponsive_server_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "SOCKET_TIMEOUT_SECONDS", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}"
        with PaymentFeed(url) as feed, pytest.raises(FeedUnreachableError, match="Timeout"):
            feed.publish(PATIENT_FIELDS)


def test_redis_rejection_raises_feed_refused_error_without_quoting_the_event(
    redis_url: str, server: redis.Redis, stream: str
) -> None:
    server.set(stream, "not a stream")
    with PaymentFeed(redis_url, stream) as feed:
        for publish in (lambda: feed.publish(b"Ada Abbott"), lambda: feed.publish_many([b"Ada Abbott"])):
            with pytest.raises(FeedRefusedError, match="WRONGTYPE") as raised:
                publish()
            assert "Ada" not in str(raised.value) + str(raised.value.__cause__)


def test_unreadable_url_is_rejected_without_quoting_it() -> None:
    mistakes = ("s3c/ret@host:6379", "6380/s3cret@host:6379", "6380?s3cret@host", "6380#s3cret@host:6379/0")
    for url in (*(f"redis://:{mistake}" for mistake in mistakes), "amqp://emr:s3cret@host"):
        with pytest.raises(ValueError, match="not a Redis URL") as raised:
            PaymentFeed(url)
        assert "s3c" not in str(raised.value)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def _proxy_losing_reply(command: bytes, redis_url: str) -> Iterator[str]:
    """Run a proxy that forwards everything except the reply to `command`: it closes the connection instead."""
    there = urlsplit(redis_url)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        # A retry opens a second connection, which is forwarded in the same way.
        arguments = (listener, (there.hostname, there.port or 6379), command)
        threading.Thread(target=_forward, args=arguments, daemon=True).start()
        login, at, _ = there.netloc.rpartition("@")
        yield there._replace(netloc=f"{login}{at}127.0.0.1:{listener.getsockname()[1]}").geturl()
        listener.shutdown(socket.SHUT_RDWR)


def _forward(listener: socket.socket, target: tuple[str, int], command: bytes) -> None:
    while True:
        try:
            near, _ = listener.accept()
        except OSError:
            return
        with near, socket.create_connection(target) as far:
            _forward_until(command, near, far)


def _forward_until(command: bytes, near: socket.socket, far: socket.socket) -> None:
    sent = b""
    while True:
        readable, _, _ = select.select([near, far], [], [])
        data = readable[0].recv(65_536)
        if not data or (readable[0] is far and command in sent):
            return
        sent += data if readable[0] is near else b""
        (far if readable[0] is near else near).sendall(data)
