"""The whole stack works through Sentinels. After a failover it continues on the new primary."""

import time
import uuid
from collections.abc import Iterator
from contextlib import closing

import pytest
import redis
from kombu.exceptions import OperationalError

from config.celery import FINDINGS, IMPORTS, RETRIES, celery_settings
from config.engines import UnreachableEngineError
from config.redis_clients import make_redis_client
from config.redis_urls import normalize_redis_url
from config.settings import SettingsError, read_settings
from emr.client import Durability, PaymentFeed
from emr.errors import FeedError
from payments.contract.event import Event, read_event
from tasks import health
from tasks.app import close_app, make_app
from tasks.engine_check import require_broker, require_feed
from tests.acceptance import commands
from tests.builders.committed import CommittedLedger
from tests.builders.events import NOW, saved_patient, saved_payment
from tests.faults import invariants
from tests.faults.processes import wait_for
from tests.faults.replicated_valkey import PASSWORD, SENTINEL_PASSWORD, SERVICE, ReplicatedValkey
from tests.faults.running_stack import RunningStack
from workers.runtime.ports import free_port

IMPORTED_SECONDS, PING_SECONDS = 60, 60


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ReplicatedValkey]:
    with ReplicatedValkey(tmp_path_factory.mktemp("replicated")) as servers:
        yield servers


@pytest.fixture(scope="module")
def stack(servers: ReplicatedValkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    """A running stack whose REDIS_URL names the Sentinels, with a clinic and a patient."""
    stack = RunningStack(tmp_path_factory.mktemp("stack"), REDIS_URL=servers.url())
    try:
        stack.start()
        CommittedLedger(stack.database, NOW).set_clinic("north", company_id="acme")
        with PaymentFeed(stack.engines.redis_url) as feed:
            feed.publish(saved_patient(company_id="acme"))
        stack.wait_until_idle()
        make_app(celery_settings(stack.engines))
        yield stack
    finally:
        stack.stop()


def test_health_names_the_primary_and_no_log_has_a_password(servers: ReplicatedValkey, stack: RunningStack) -> None:
    wait_until_workers_answer(stack)
    health_report = commands.run(["health"], stack.environment, b"")

    assert f"answers (primary 127.0.0.1:{servers.primary.port})" in health_report.stdout, health_report
    for text in (health_report.stdout, (stack.home / "supervisor.log").read_text()):
        assert PASSWORD not in text
        assert SENTINEL_PASSWORD not in text


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ("sentinel_password=", "sentinel_password=x", "the Sentinels refuse the login"),
        ("sentinel_password=", "client_name=", "the Sentinels refuse the login"),
        ("://:", "://:x", "invalid username-password pair"),
    ],
)
def test_refused_login_is_a_configuration_error_without_a_password(
    servers: ReplicatedValkey, right: str, wrong: str, problem: str
) -> None:
    settings = read_settings({"REDIS_URL": servers.url().replace(right, wrong)})

    for check, url in ((require_feed, settings.redis_url), (require_broker, settings.redis_url)):
        with pytest.raises(SettingsError, match=problem) as refused:
            check(settings, url or "")
        assert str(refused.value).startswith("REDIS_URL: redis+sentinel://127.0.0.1:")
        assert "sEcr3t" not in str(refused.value)
        assert SENTINEL_PASSWORD not in str(refused.value)


def test_unknown_service_or_absent_sentinels_are_named_in_the_error(servers: ReplicatedValkey) -> None:
    for url, problem in (
        (servers.url().replace(f"/{SERVICE}/", "/biling/"), "the Sentinels do not watch a service biling"),
        (f"redis+sentinel://:secret@127.0.0.1:{free_port()}/{SERVICE}/0", "no Sentinel answers"),
    ):
        settings = read_settings({"REDIS_URL": url})
        with pytest.raises(UnreachableEngineError, match=problem):
            require_feed(settings, settings.redis_url or "")


def test_stopped_sentinel_does_not_delay_a_connection(servers: ReplicatedValkey) -> None:
    url = servers.url().replace("@", f"@127.0.0.1:{free_port()},", 1)
    started = time.monotonic()
    with closing(make_redis_client(normalize_redis_url(url))) as client:
        assert client.ping()
    assert time.monotonic() - started < 1


def test_import_recovers_within_20_s_of_a_primary_switch(servers: ReplicatedValkey, stack: RunningStack) -> None:
    old = servers.primary
    with PaymentFeed(stack.engines.redis_url) as feed:
        publish_and_import(stack, feed)
        servers.switch_primary()
        servers.wait_for_new_primary(old)
        assert measure_recovery("the Sentinels switch the primary", stack, feed) < 20
    # The Sentinels of this test are so impatient that they sometimes switch back.
    servers.wait_until_complete()


def test_killed_primary_is_replaced_and_the_import_continues(servers: ReplicatedValkey, stack: RunningStack) -> None:
    old = servers.primary
    with PaymentFeed(stack.engines.redis_url) as feed:
        publish_and_import(stack, feed)
        servers.kill(old)
        assert measure_recovery("the primary is killed", stack, feed) < 45
        assert servers.primary is not old
        servers.restart(old)
        servers.wait_until_complete()
        assert measure_recovery("the old primary returns", stack, feed) < 20


@pytest.mark.long
def test_confirmed_events_survive_the_loss_of_the_primary(servers: ReplicatedValkey) -> None:
    servers.wait_until_complete()
    stream = "emr:confirmed"
    old, events = servers.primary, [saved_patient() for _ in range(200)]
    with PaymentFeed(servers.url(), stream, durability=Durability(1)) as feed:
        for event in events[:100]:
            feed.publish(event)
        servers.kill(old)
        new = servers.wait_for_new_primary(old)
        with new.client() as server:
            published = [read_event(fields[b"event"]).event_id for _, fields in server.xrange(stream)]
        assert published == [event.event_id for event in events[:100]]

        with pytest.raises(FeedError):  # the only replica is the primary now
            feed.publish(events[100])
        servers.restart(old)
        servers.wait_until_complete()
        wait_for(lambda: publish_rest(feed, events[100:]), 20, "the rest is published")
        with new.client() as server:
            published = [read_event(fields[b"event"]).event_id for _, fields in server.xrange(stream)]
    assert set(published) == {event.event_id for event in events}


def publish_rest(feed: PaymentFeed, events: list[Event]) -> bool:
    try:
        feed.publish_many(events)
    except FeedError:
        return False
    return True


@pytest.mark.long
def test_frozen_primary_is_replaced_and_the_import_continues(servers: ReplicatedValkey, stack: RunningStack) -> None:
    old = servers.primary
    with PaymentFeed(stack.engines.redis_url) as feed:
        publish_and_import(stack, feed)
        with servers.frozen(old):
            assert measure_recovery("the primary is frozen", stack, feed) < 80
            assert servers.primary is not old
        # The old primary believes for a moment that it still is the primary.
        servers.wait_until_complete()
        assert measure_recovery("the old primary continues as a replica", stack, feed) < 20


@pytest.mark.long
def test_workers_continue_when_a_replica_is_back(servers: ReplicatedValkey, stack: RunningStack) -> None:
    """Without a replica, a primary with `min-replicas-to-write` refuses all writes, also those of Celery's workers."""
    servers.wait_until_complete()
    primary = servers.primary
    replica = next(server for server in servers.servers if server is not primary)
    with PaymentFeed(stack.engines.redis_url) as feed, primary.client() as server:
        publish_and_import(stack, feed)
        server.config_set("min-replicas-to-write", 1)
        servers.kill(replica)
        wait_for(lambda: not try_publish(feed, saved_patient(company_id="acme")), 20, "the primary refuses events")
        assert not is_answered(stack, RETRIES)
        servers.restart(replica)
        assert measure_recovery("a replica is back", stack, feed) < 60
        server.config_set("min-replicas-to-write", 0)
    # A worker that could not acknowledge a message may be restarted by its watchdog.
    assert "Unrecoverable error" not in (stack.home / "supervisor.log").read_text()


def measure_recovery(fault: str, stack: RunningStack, feed: PaymentFeed) -> float:
    """Publish a payment. Return the seconds until it is imported and each worker has answered a message."""
    started = time.monotonic()
    published, imported = publish_and_import(stack, feed)
    # New connections of this process, so that the time is that of the workers.
    close_app()
    make_app(celery_settings(stack.engines))
    stack.feed.connection_pool.disconnect()
    wait_until_workers_answer(stack)
    seconds = time.monotonic() - started
    print(f"{fault}: published after {published:.1f} s, imported {imported:.1f} s, workers answered {seconds:.1f} s")  # noqa: T201 (pytest shows it with -s)
    return seconds


def publish_and_import(stack: RunningStack, feed: PaymentFeed) -> tuple[float, float]:
    """Publish a payment. Return the seconds until the feed confirmed it, and the seconds until it was imported."""
    started = time.monotonic()
    event = saved_payment("10.00", payment_id=f"payment-{uuid.uuid4()}", company_id="acme", clinic_id="north")
    wait_for(lambda: try_publish(feed, event), IMPORTED_SECONDS, "the feed takes events")
    published = time.monotonic() - started
    wait_for(lambda: invariants.has_event(stack.database, str(event.event_id)), IMPORTED_SECONDS, "it is imported")
    return published, time.monotonic() - started


def try_publish(feed: PaymentFeed, event: Event) -> bool:
    try:
        feed.publish(event)
    except FeedError:
        return False
    return True


def wait_until_workers_answer(stack: RunningStack) -> None:
    """Wait until each worker answers a message that goes through the broker."""
    for queue in (IMPORTS, RETRIES, FINDINGS):
        wait_for(lambda name=queue: is_answered(stack, name), PING_SECONDS, f"a worker takes work from {queue}")


def is_answered(stack: RunningStack, queue: str) -> bool:
    """Send a ping to a queue, and return whether a worker answers within two seconds."""
    reply_to = f"payments:canary:{uuid.uuid4()}"
    try:
        health.ping.apply_async(kwargs={"reply_to": reply_to}, queue=queue, expires=60)
        return bool(stack.feed.blpop([reply_to], timeout=2))
    except (redis.RedisError, OperationalError):
        return False
