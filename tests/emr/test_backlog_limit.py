"""The publisher's limit on the unprocessed events of a stream."""

from typing import Any
from urllib.parse import urlsplit

import pytest
import redis

from emr import backlog_limit
from emr.client import PaymentFeed
from emr.errors import FeedFullError, FeedRefusedError
from payments.contract.consumer_group import CONSUMER_GROUP
from payments.contract.stream_partition import stream_for
from tests.builders.events import saved_patient

PATIENT_EVENT = saved_patient()


@pytest.fixture
def stream(server: redis.Redis, stream: str) -> str:
    """A new stream with Billing's consumer group."""
    server.xgroup_create(stream, CONSUMER_GROUP, id="0", mkstream=True)
    return stream


@pytest.fixture(autouse=True)
def _measure_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog_limit, "MEASURE_MS", 0)


def deliver(server: redis.Redis, stream: str, count: int) -> list[bytes]:
    """Deliver entries to the consumer group, and return their ids."""
    answer: Any = server.xreadgroup(CONSUMER_GROUP, "importer", {stream: ">"}, count=count)
    return [entry_id for _, entries in answer for entry_id, _ in entries]


def test_event_beyond_the_limit_is_not_sent_and_the_error_names_the_limit(
    redis_url: str, server: redis.Redis, stream: str
) -> None:
    with PaymentFeed(redis_url, stream, unprocessed_max=3) as feed:
        assert feed.publish_many([PATIENT_EVENT] * 3, chunk=1) == 3
        with pytest.raises(FeedFullError, match=r"has 3 unprocessed events, and the limit is 3\); 0 were") as full:
            feed.publish(PATIENT_EVENT)
        with pytest.raises(FeedFullError):
            feed.publish_many([PATIENT_EVENT] * 2)

    assert (full.value.stream, full.value.unprocessed, full.value.limit) == (stream, 3, 3)
    assert server.xlen(stream) == 3


def test_error_states_the_confirmed_count_of_a_full_stream(redis_url: str, server: redis.Redis, stream: str) -> None:
    with PaymentFeed(redis_url, stream, unprocessed_max=4) as feed, pytest.raises(FeedFullError) as full:
        feed.publish_many([PATIENT_EVENT] * 10, chunk=2)

    assert full.value.confirmed_count == server.xlen(stream) == 4


@pytest.mark.parametrize("is_kept", [True, False])
def test_publishing_continues_when_events_are_acknowledged(
    redis_url: str, server: redis.Redis, stream: str, is_kept: bool
) -> None:
    with PaymentFeed(redis_url, stream, unprocessed_max=3) as feed:
        feed.publish_many([PATIENT_EVENT] * 3)
        delivered = deliver(server, stream, 2)
        with pytest.raises(FeedFullError):
            feed.publish(PATIENT_EVENT)

        server.xack(stream, CONSUMER_GROUP, *delivered)
        if not is_kept:
            server.xdel(stream, *delivered)
        feed.publish(PATIENT_EVENT)
        feed.publish(PATIENT_EVENT)

        with pytest.raises(FeedFullError):
            feed.publish(PATIENT_EVENT)
    assert server.xlen(stream) == (5 if is_kept else 3)


def test_events_that_billing_never_read_count_towards_the_limit(
    redis_url: str, server: redis.Redis, stream: str
) -> None:
    """Without a consumer group every entry counts. A stream that does not exist has no entries."""
    server.delete(stream)
    with PaymentFeed(redis_url, stream, unprocessed_max=2) as feed:
        feed.publish(PATIENT_EVENT)
        feed.publish(PATIENT_EVENT)
        with pytest.raises(FeedFullError):
            feed.publish(PATIENT_EVENT)


def test_events_of_other_publishers_count_towards_the_limit(redis_url: str, stream: str) -> None:
    with (
        PaymentFeed(redis_url, stream, unprocessed_max=2) as feed,
        PaymentFeed(redis_url, stream, unprocessed_max=2) as other,
    ):
        feed.publish(PATIENT_EVENT)
        other.publish(PATIENT_EVENT)
        feed.publish(PATIENT_EVENT)
        with pytest.raises(FeedFullError):
            feed.publish(PATIENT_EVENT)


def test_full_stream_does_not_stop_events_of_other_streams(redis_url: str, server: redis.Redis, stream: str) -> None:
    companies = {stream_for(stream, 2, f"company-{number}"): f"company-{number}" for number in range(8)}
    full, free = (saved_patient(company_id=company) for _, company in sorted(companies.items()))
    with PaymentFeed(redis_url, stream, streams=2, unprocessed_max=1) as feed:
        feed.publish(full)
        with pytest.raises(FeedFullError):
            feed.publish(full)
        feed.publish(free)
    server.delete(*companies)


def test_stream_is_measured_together_with_events_after_the_first_publish(
    redis_url: str, server: redis.Redis, stream: str
) -> None:
    """The first measurement is a separate request. Each later one is part of the request that sends the events."""
    with PaymentFeed(redis_url, stream, unprocessed_max=1_000) as feed, server.monitor() as monitor:
        feed.publish(PATIENT_EVENT)
        feed.publish(PATIENT_EVENT)
        server.echo("end")
        commands = []
        while "ECHO" not in (command := str(monitor.next_command()["command"])):
            if stream in command:
                commands.append(command.split(maxsplit=1)[0])

    assert commands == ["XLEN", "XINFO", "XADD", "XLEN", "XINFO", "XADD", "XLEN", "XINFO"]


def test_full_stream_is_measured_once_a_second(
    redis_url: str, server: redis.Redis, stream: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backlog_limit, "MEASURE_MS", 1_000)
    with PaymentFeed(redis_url, stream, unprocessed_max=1) as feed:
        feed.publish(PATIENT_EVENT)
        for _ in range(2):
            with pytest.raises(FeedFullError):
                feed.publish(PATIENT_EVENT)
        before = count_calls(server, "xinfo|groups")
        for _ in range(50):
            with pytest.raises(FeedFullError):
                feed.publish(PATIENT_EVENT)
        assert count_calls(server, "xinfo|groups") - before <= 1


def count_calls(server: redis.Redis, command: str) -> int:
    found = server.info("commandstats").get(f"cmdstat_{command}", {})
    return int(found.get("calls", 0))


def test_user_without_the_right_to_measure_is_refused_before_an_event_is_sent(
    redis_url: str, server: redis.Redis, stream: str
) -> None:
    server.execute_command("ACL SETUSER limited on >limited ~* -@all +xadd +ping +select +client|setinfo")
    there = urlsplit(redis_url)
    url = f"redis://limited:limited@{there.hostname}:{there.port or 6379}{there.path}"
    try:
        with PaymentFeed(url, stream, unprocessed_max=1) as feed, pytest.raises(FeedRefusedError, match="xlen") as no:
            feed.publish(PATIENT_EVENT)
        assert not no.value.may_concern_event
        assert server.xlen(stream) == 0
    finally:
        server.execute_command("ACL DELUSER limited")


def test_limit_below_one_is_refused() -> None:
    with pytest.raises(ValueError, match="unprocessed_max: 1 or more, not 0"):
        PaymentFeed("redis://127.0.0.1", unprocessed_max=0)
