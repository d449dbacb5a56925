"""The publisher after a failover of Redis."""

from pathlib import Path

import pytest
import redis

from devstack.engines import embedded_valkey
from emr.client import Durability, PaymentFeed
from emr.errors import FeedRefusedError
from tests.builders.events import saved_patient

pytestmark = pytest.mark.slow


def test_publisher_reconnects_after_a_replica_refuses_a_write(tmp_path: Path) -> None:
    with (
        embedded_valkey(tmp_path, durable=False) as url,
        redis.Redis.from_url(url) as server,
        PaymentFeed(f"{url}?client_name=publisher") as feed,
    ):
        feed.publish(saved_patient())
        assert "publisher" in {each["name"] for each in server.client_list()}
        server.replicaof("127.0.0.1", 1)

        with pytest.raises(FeedRefusedError, match="read only"):
            feed.publish(saved_patient())

        assert "publisher" not in {each["name"] for each in server.client_list()}
        server.replicaof("NO", "ONE")
        assert feed.publish(saved_patient())


def test_publisher_that_asks_a_replica_for_a_confirmation_reconnects(tmp_path: Path) -> None:
    with (
        embedded_valkey(tmp_path) as url,
        redis.Redis.from_url(url) as server,
        PaymentFeed(f"{url}?client_name=publisher", durability=Durability(on_disk=True)) as feed,
    ):
        server.replicaof("127.0.0.1", "1")

        with pytest.raises(FeedRefusedError, match="cannot be used with replica"):
            feed.publish(saved_patient())

        assert "publisher" not in {each["name"] for each in server.client_list()}
        server.replicaof("NO", "ONE")
        assert feed.publish(saved_patient())
