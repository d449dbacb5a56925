"""A broker that refuses writes is treated like one that does not answer. Celery's workers then reconnect."""

import select
import socket
from pathlib import Path
from typing import Any

import pytest
import redis
from kombu.connection import Connection

from config.celery import KEY_PREFIX, celery_settings
from config.engines import Engines
from devstack.engines import embedded_valkey
from tasks.app import close_app, make_app

pytestmark = pytest.mark.slow

TRANSPORT_OPTIONS = {"global_keyprefix": KEY_PREFIX}


@pytest.mark.parametrize(
    ("refuse", "accept", "problem"),
    [
        ("CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0", "NOREPLICAS"),
        ("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", "read only replica"),
    ],
)
def test_broker_without_writes_raises_a_connection_error_and_is_reconnected(
    refuse: str, accept: str, problem: str, tmp_path: Path
) -> None:
    with embedded_valkey(tmp_path, durable=False) as url, redis.Redis.from_url(url) as server:
        make_app(celery_settings(Engines.from_urls("postgresql://h/d", url)))
        with Connection(url, transport_options=TRANSPORT_OPTIONS) as connection, connection.channel() as channel:
            server.execute_command(*refuse.split())
            with pytest.raises(connection.connection_errors, match=problem):
                channel.client.lpush("queue", "message")

            server.execute_command(*accept.split())
            assert channel.client.lpush("queue", "message") == 1
        close_app()


def test_transaction_ends_if_the_broker_accepts_no_writes(tmp_path: Path) -> None:
    """kombu uses such transactions to restore the messages of a lost connection."""
    with embedded_valkey(tmp_path, durable=False) as url, redis.Redis.from_url(url) as server:
        make_app(celery_settings(Engines.from_urls("postgresql://h/d", url)))
        server.config_set("min-replicas-to-write", 1)
        with Connection(url, transport_options=TRANSPORT_OPTIONS) as connection, connection.channel() as channel:

            def move_message(pipe: Any) -> None:
                pipe.hget("watched", "message")
                pipe.multi()
                pipe.lpush("queue", "message")

            with pytest.raises(connection.connection_errors, match="NOREPLICAS"):
                channel.client.transaction(move_message, "watched")
        close_app()


def test_refused_write_ends_the_other_connections_to_that_server_only(tmp_path: Path, redis_url: str) -> None:
    with embedded_valkey(tmp_path, durable=False) as url, redis.Redis.from_url(url) as server:
        make_app(celery_settings(Engines.from_urls("postgresql://h/d", url)))
        with (
            Connection(url, transport_options=TRANSPORT_OPTIONS) as refusing,
            Connection(redis_url, transport_options=TRANSPORT_OPTIONS) as healthy,
            refusing.channel() as acknowledging,
            refusing.channel() as idle,
            healthy.channel() as elsewhere,
        ):
            for channel in (acknowledging, idle, elsewhere):
                assert channel.client.ping()
            sockets = [_pooled_socket(channel) for channel in (idle, elsewhere)]

            server.config_set("min-replicas-to-write", 1)
            with pytest.raises(refusing.connection_errors, match="NOREPLICAS"):
                acknowledging.client.lpush("queue", "message")

            # An event loop waits until one of its sockets can be read. A socket that has ended can.
            ended, _, _ = select.select(sockets, [], [], 0)
            assert ended == sockets[:1]
        close_app()


def _pooled_socket(channel: Any) -> socket.socket:
    connection = channel.pool.get_connection()
    channel.pool.release(connection)
    found: socket.socket = connection._sock
    return found


def test_other_errors_of_commands_are_not_connection_errors(redis_url: str) -> None:
    make_app(celery_settings(Engines.from_urls("postgresql://h/d", redis_url)))
    with Connection(redis_url, transport_options=TRANSPORT_OPTIONS) as connection, connection.channel() as channel:
        channel.client.set("text", "text")
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            channel.client.lpush("text", "message")
        channel.client.delete("text")
    close_app()
