"""The relay publishes confirmed events again after a failover that lost them. The tests use real Valkey servers."""

import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
import redis

from devstack.engines import embedded_valkey
from emr import confirmed_events
from emr.client import Durability, PaymentFeed
from emr.outbox import Relay, waiting, write
from tests.builders.events import saved_patient
from tests.faults.processes import wait_for
from tests.faults.replicated_valkey import PASSWORD, ReplicatedValkey

pytestmark = pytest.mark.slow

Connection = psycopg.Connection[tuple[object, ...]]
STREAM = f"emr:test:{uuid.uuid4()}"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicatedValkey]:
    with ReplicatedValkey(tmp_path_factory.mktemp("replicated"), has_sentinels=False) as servers:
        yield servers


@pytest.fixture
def primary(servers: ReplicatedValkey) -> Iterator[redis.Redis]:
    with closing(servers.primary.client()) as client:
        client.flushall()
        yield client


@pytest.fixture
def feed(servers: ReplicatedValkey) -> Iterator[PaymentFeed]:
    with PaymentFeed(
        servers.direct_url(servers.primary), STREAM, durability=Durability(1, timeout=timedelta(seconds=5))
    ) as feed:
        yield feed


def save(emr: Connection, count: int) -> None:
    for _ in range(count):
        write(emr, saved_patient())
    emr.commit()


def kept_count(emr: Connection) -> int:
    found = emr.execute("SELECT count(*) FROM payment_outbox WHERE confirmed_at IS NOT NULL").fetchall()
    emr.rollback()
    return int(str(found[0][0]))


def lose_all_events(servers: ReplicatedValkey, primary: redis.Redis, folder: Path) -> None:
    """Let an empty server replace the content of the primary, as a failover to a replica without the events does."""
    with embedded_valkey(folder, durable=False) as empty, redis.Redis.from_url(empty) as other:
        other.config_set("requirepass", PASSWORD)
        primary.replicaof("127.0.0.1", str(other.get_connection_kwargs()["port"]))
        wait_for(lambda: primary.info("replication")["master_link_status"] == "up", 30, "the primary has synchronized")
        primary.replicaof("NO", "ONE")
    servers.wait_until_complete()


def test_events_that_a_failover_lost_are_published_again(
    servers: ReplicatedValkey, primary: redis.Redis, feed: PaymentFeed, emr: Connection, tmp_path: Path
) -> None:
    save(emr, 5)
    relay = Relay(emr, feed)
    relay.publish_chunk()
    assert (waiting(emr), kept_count(emr), primary.xlen(STREAM)) == (0, 5, 5)

    lose_all_events(servers, primary, tmp_path)
    assert primary.xlen(STREAM) == 0
    relay.run(lambda: primary.xlen(STREAM) < 5)

    assert (waiting(emr), kept_count(emr)) == (0, 5)


def test_confirmed_events_are_deleted_after_a_time(
    primary: redis.Redis, feed: PaymentFeed, emr: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(emr, 5)
    relay = Relay(emr, feed)
    relay.publish_chunk()
    assert kept_count(emr) == 5

    monkeypatch.setattr(confirmed_events, "CONFIRMED_KEPT", timedelta())
    relay.run(lambda: kept_count(emr) > 0)

    assert (waiting(emr), primary.xlen(STREAM)) == (0, 5)


def test_events_are_deleted_immediately_if_no_replica_is_demanded(servers: ReplicatedValkey, emr: Connection) -> None:
    save(emr, 5)
    with PaymentFeed(servers.direct_url(servers.primary), STREAM) as feed:
        Relay(emr, feed).publish_chunk()

    assert (waiting(emr), kept_count(emr)) == (0, 0)


def test_events_are_deleted_immediately_if_the_user_may_not_run_info(
    servers: ReplicatedValkey, primary: redis.Redis, emr: Connection
) -> None:
    primary.execute_command("ACL", "SETUSER", "emr", "on", ">secret", "~*", "+@all", "-info")
    save(emr, 5)
    with PaymentFeed(
        f"redis://emr:secret@127.0.0.1:{servers.primary.port}/0", STREAM, durability=Durability(1)
    ) as feed:
        Relay(emr, feed).publish_chunk()

    assert (waiting(emr), kept_count(emr)) == (0, 0)
