"""A broker that takes no writes is treated like a broker that does not answer. So Celery's workers reconnect."""

from pathlib import Path

import pytest
import redis
from kombu.connection import Connection

from config.celery import KEY_PREFIX, celery_settings
from config.engines import Engines
from devstack.engines import embedded_valkey
from tasks.app import close_app, make_app

pytestmark = pytest.mark.slow

OPTIONS = {"global_keyprefix": KEY_PREFIX}


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
        make_app(celery_settings(Engines.named("postgresql://h/d", url)))
        with Connection(url, transport_options=OPTIONS) as connection, connection.channel() as channel:
            server.execute_command(*refuse.split())
            with pytest.raises(connection.connection_errors, match=problem):
                channel.client.lpush("queue", "message")

            server.execute_command(*accept.split())
            assert channel.client.lpush("queue", "message") == 1
        close_app()


def test_other_errors_of_commands_are_not_connection_errors(redis_url: str) -> None:
    make_app(celery_settings(Engines.named("postgresql://h/d", redis_url)))
    with Connection(redis_url, transport_options=OPTIONS) as connection, connection.channel() as channel:
        channel.client.set("text", "text")
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            channel.client.lpush("text", "message")
        channel.client.delete("text")
    close_app()
