"""The publisher waits until replicas or the disk have an event. The tests use a real primary with a replica."""

import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import psycopg
import pytest
import redis

from devstack.engines import embedded_valkey
from emr.client import Durability, PaymentFeed
from emr.errors import FeedRefusedError, FeedUnconfirmedError
from emr.outbox import Relay, waiting, write
from payments.contract.event import read_event
from tests.builders.events import saved_patient
from tests.faults.replicated_valkey import Node, ReplicatedValkey

pytestmark = pytest.mark.slow

Connection = psycopg.Connection[tuple[object, ...]]
REPLICA_DURABILITY = Durability(replicas=1, timeout=timedelta(milliseconds=500))
PATIENT_EVENT = saved_patient()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicatedValkey]:
    with ReplicatedValkey(tmp_path_factory.mktemp("replicated"), has_sentinels=False) as servers:
        yield servers


class ReplicatedPair(NamedTuple):
    """The primary, its client and its URL, and its replica."""

    servers: ReplicatedValkey
    primary: redis.Redis
    replica: Node
    url: str


@pytest.fixture
def replicated_pair(servers: ReplicatedValkey) -> Iterator[ReplicatedPair]:
    servers.wait_until_complete()
    primary = servers.primary
    replica = next(server for server in servers.servers if server is not primary)
    url = servers.direct_url(primary)
    with primary.client() as client:
        yield ReplicatedPair(servers, client, replica, url)


@pytest.fixture
def stream() -> str:
    return f"emr:test:{uuid.uuid4()}"


@pytest.mark.parametrize("on_disk", [False, True])
def test_confirmed_event_is_on_the_replica(replicated_pair: ReplicatedPair, stream: str, *, on_disk: bool) -> None:
    durability = Durability(1, on_disk, timedelta(seconds=5))
    with (
        PaymentFeed(replicated_pair.url, stream, durability=durability) as feed,
        replicated_pair.replica.client() as copy,
    ):
        feed.publish(PATIENT_EVENT)
        assert copy.xlen(stream) == 1
        assert feed.publish_many([PATIENT_EVENT] * 20, chunk=12) == 20
        assert copy.xlen(stream) == 21


@pytest.mark.parametrize("on_disk", [False, True])
def test_missing_confirmation_is_an_error_and_stops_the_publisher(
    replicated_pair: ReplicatedPair, stream: str, *, on_disk: bool
) -> None:
    # Replicas report what they have on disk once a second.
    durability = Durability(1, on_disk, timedelta(seconds=2.5) if on_disk else REPLICA_DURABILITY.timeout)
    with PaymentFeed(replicated_pair.url, stream, durability=durability) as feed:
        feed.publish(PATIENT_EVENT)
        with replicated_pair.servers.frozen(replicated_pair.replica):
            assert_unconfirmed(lambda: feed.publish_many([PATIENT_EVENT] * 4, chunk=2))
            assert_unconfirmed(lambda: feed.publish(PATIENT_EVENT))
            assert replicated_pair.primary.xlen(stream) == 3

        replicated_pair.servers.wait_until_complete()
        feed.publish(PATIENT_EVENT)

    bodies = [read_event(fields[b"event"]).event_id for _, fields in replicated_pair.primary.xrange(stream)]
    assert (len(bodies), len(set(bodies))) == (4, 1)


def assert_unconfirmed(publish: Callable[[], object]) -> None:
    with pytest.raises(FeedUnconfirmedError, match=r"0 of 1 replicas .* may be on the stream already\.") as error:
        publish()
    assert error.value.confirmed_count == 0
    assert "the event ids make a repeat harmless" in str(error.value)


def test_publisher_without_enough_replicas_sends_nothing(replicated_pair: ReplicatedPair, stream: str) -> None:
    with (
        PaymentFeed(replicated_pair.url, stream, durability=Durability(2, timeout=REPLICA_DURABILITY.timeout)) as feed,
        pytest.raises(FeedUnconfirmedError, match="1 of 2 replicas"),
    ):
        feed.publish(PATIENT_EVENT)

    assert not replicated_pair.primary.exists(stream)


def test_server_without_an_append_only_file_is_refused_before_an_event_is_sent(tmp_path: Path, stream: str) -> None:
    with (
        embedded_valkey(tmp_path, durable=False) as url,
        PaymentFeed(url, stream, durability=Durability(on_disk=True)) as feed,
        redis.Redis.from_url(url) as server,
    ):
        for _ in range(2):
            with pytest.raises(FeedRefusedError, match="WAITAOF") as refused:
                feed.publish(PATIENT_EVENT)
            assert not refused.value.may_concern_event
        assert not server.exists(stream)


def test_event_on_the_disk_of_a_single_server_is_confirmed(tmp_path: Path, stream: str) -> None:
    with (
        embedded_valkey(tmp_path) as url,
        PaymentFeed(url, stream, durability=Durability(on_disk=True)) as feed,
    ):
        assert feed.publish(PATIENT_EVENT)


def test_relay_keeps_unconfirmed_events_and_publishes_them_later(
    replicated_pair: ReplicatedPair, stream: str, emr: Connection
) -> None:
    for _ in range(5):
        write(emr, saved_patient())
    emr.commit()
    with PaymentFeed(replicated_pair.url, stream, durability=REPLICA_DURABILITY) as feed:
        relay = Relay(emr, feed)
        with replicated_pair.servers.frozen(replicated_pair.replica):
            assert_unconfirmed(relay.publish_chunk)
            assert_unconfirmed(relay.publish_chunk)
            assert (waiting(emr), replicated_pair.primary.xlen(stream)) == (5, 5)
        replicated_pair.servers.wait_until_complete()
        relay.run(lambda: waiting(emr) > 0)

    assert waiting(emr) == 0
    events = [read_event(fields[b"event"]).event_id for _, fields in replicated_pair.primary.xrange(stream)]
    assert (len(events), len(set(events))) == (10, 5)


@pytest.mark.parametrize(
    ("durability", "problem"),
    [
        ({"replicas": -1}, "replicas: 0 or more, not -1"),
        ({"timeout": timedelta()}, "timeout: from 1 ms to 10 s, not 0"),
        ({"timeout": timedelta(seconds=11)}, "timeout: from 1 ms to 10 s, not 11"),
    ],
)
def test_durability_out_of_range_is_refused(durability: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Durability(**durability)


def test_wait_longer_than_the_socket_timeout_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter than the socket_timeout"):
        PaymentFeed("redis://127.0.0.1?socket_timeout=2", durability=Durability(1, timeout=timedelta(seconds=2)))
