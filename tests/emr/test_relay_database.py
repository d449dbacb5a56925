"""The relay continues after an error of the EMR's database."""

import socket
from contextlib import closing
from datetime import timedelta

import psycopg
import pytest

from emr.client import PaymentFeed
from emr.outbox import Relay, waiting
from tests.emr.test_relay import Connection, numbers_on, save_visits, stop_when_empty

pytestmark = pytest.mark.slow


def test_relay_reconnects_after_its_session_was_terminated(
    emr: Connection, emr_url: str, redis_url: str, stream: str
) -> None:
    save_visits(emr, *range(6))
    sessions: list[Connection] = []
    pauses: list[float] = []

    def connect() -> Connection:
        sessions.append(psycopg.connect(emr_url))
        return sessions[-1]

    class TwiceInterruptedFeed(PaymentFeed):
        def publish_many(self, *arguments: object, **options: object) -> int:
            if len(sessions) <= 2:
                emr.execute("SELECT pg_terminate_backend(%s, 5000)", [sessions[-1].info.backend_pid])
                emr.rollback()
            return super().publish_many(*arguments, **options)

    with TwiceInterruptedFeed(redis_url, stream) as feed:
        Relay(connect, feed, pause=lambda pause: pauses.append(pause.total_seconds())).run(stop_when_empty(emr))

    assert len(sessions) == 3
    assert pauses == [0.1, 0.2]
    assert set(numbers_on(redis_url, stream)) == set(range(6))
    assert [session.closed for session in sessions[:2]] == [True, True]
    assert waiting(emr) == 0
    sessions[-1].close()


def test_relay_backs_off_while_the_database_is_down(emr: Connection, emr_url: str, redis_url: str, stream: str) -> None:
    save_visits(emr, 1)
    with socket.create_server(("127.0.0.1", 0)) as probe:
        down = f"postgresql://127.0.0.1:{probe.getsockname()[1]}/emr?connect_timeout=2"
    urls = iter([*[down] * 8, emr_url])
    pauses: list[float] = []
    sessions: list[Connection] = []

    def connect() -> Connection:
        sessions.append(psycopg.connect(next(urls)))
        return sessions[-1]

    with PaymentFeed(redis_url, stream) as feed:
        Relay(connect, feed, pause=lambda pause: pauses.append(pause.total_seconds())).run(stop_when_empty(emr))

    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]
    assert numbers_on(redis_url, stream) == [1]
    sessions[-1].close()


def test_relay_with_one_connection_continues_after_a_rolled_back_error(
    emr: Connection, emr_url: str, redis_url: str, stream: str
) -> None:
    save_visits(emr, 1)
    emr.execute("LOCK TABLE payment_outbox IN ACCESS EXCLUSIVE MODE")
    pauses: list[float] = []

    def end_the_lock(pause: timedelta) -> None:
        pauses.append(pause.total_seconds())
        emr.rollback()

    with (
        closing(psycopg.connect(emr_url, options="-c lock_timeout=50ms")) as own,
        PaymentFeed(redis_url, stream) as feed,
    ):
        Relay(own, feed, pause=end_the_lock).run(stop_when_empty(emr))

    assert pauses == [0.1]
    assert numbers_on(redis_url, stream) == [1]


def test_relay_with_one_broken_connection_raises_the_error(
    emr: Connection, emr_url: str, redis_url: str, stream: str
) -> None:
    save_visits(emr, 1)
    own = psycopg.connect(emr_url)
    own.close()
    with PaymentFeed(redis_url, stream) as feed, pytest.raises(psycopg.OperationalError):
        Relay(own, feed, pause=lambda _: None).run(stop_when_empty(emr))
    assert waiting(emr) == 1


def test_non_database_error_stops_the_relay(emr: Connection, redis_url: str, stream: str) -> None:
    save_visits(emr, 1)

    def sign(_body: bytes) -> str:
        raise LookupError("no key")

    with PaymentFeed(redis_url, stream, sign=sign) as feed, pytest.raises(LookupError):
        Relay(emr, feed).run(stop_when_empty(emr))
    assert waiting(emr) == 1
