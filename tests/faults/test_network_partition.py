"""Two hosts share a feed. Each has an intake, an importer and a retrier. One host is disconnected and reconnected."""

from contextlib import ExitStack
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from sqlalchemy import text

from config.engines import Engines
from devstack.engines import embedded_engines
from emr.client import PaymentFeed
from payments.store.db.connection import connect, transaction
from payments.store.migrations import upgrade
from tasks.feed.streams import Streams
from tasks.resources import connect_redis
from tests.builders.committed import CommittedLedger
from tests.builders.events import NOW, saved_patient, saved_payment
from tests.faults import network_hosts
from tests.faults.network_hosts import Host
from tests.faults.processes import wait_for

STREAM, STREAMS = "emr:payments", 4
HOST_SETTINGS = {
    "PAYMENTS_CHUNK_EVENTS": "25",
    "PAYMENTS_STREAMS": str(STREAMS),
    "PAYMENTS_RETRY_LADDER": "1s,1s,1s,1s,1s,10h",
}


@pytest.fixture(scope="module")
def engines(tmp_path_factory):
    if not network_hosts.can_create_namespaces():
        pytest.skip("no network namespaces can be made here: it needs root, ip and unshare")
    with embedded_engines(tmp_path_factory.mktemp("engines"), durable=False) as engines:
        upgrade(engines.database_url)
        yield engines


@pytest.fixture(scope="module")
def hosts(engines, tmp_path_factory):
    """Two hosts, each with a running intake, importer and retrier."""
    with ExitStack() as stack:
        hosts = [Host(number, tmp_path_factory.mktemp(f"host{number}")) for number in (1, 2)]
        for machine in hosts:
            stack.callback(machine.destroy)
            machine.create()
            there = stack.enter_context(network_hosts.forward_engines(machine.near, engines, sockets_of(engines)))
            for module in ("workers.intake", "workers.importer", "workers.retrier"):
                machine.start_process(module, there.environment() | HOST_SETTINGS)
        yield hosts


def sockets_of(engines: Engines):
    """Return the addresses of the embedded engines."""
    database, feed = urlsplit(engines.database_url), urlsplit(engines.redis_url)
    asked = parse_qs(database.query)
    folder, port = unquote(asked["host"][0]), asked.get("port", ["5432"])[0]
    return {"postgres": f"{folder}/.s.PGSQL.{port}", "redis": (feed.hostname, feed.port)}


@pytest.fixture(scope="module")
def database(engines):
    database = connect(engines.database_url, application_name="tests")
    ledger = CommittedLedger(database, NOW)
    for number in range(8):
        ledger.set_clinic(f"clinic-{number}", company_id=f"company-{number}")
    yield database
    database.dispose()


def publish(engines, prefix, count):
    named = [{"company_id": f"company-{n % 8}", "clinic_id": f"clinic-{n % 8}"} for n in range(count)]
    with PaymentFeed(engines.redis_url, STREAM, STREAMS) as feed:
        feed.publish_many(saved_patient(company_id=f"company-{n}") for n in range(8))
        feed.publish_many(saved_payment("10.00", payment_id=f"{prefix}-{n}", **named[n]) for n in range(count))


def imported_counts(database, prefix):
    """Look up the payments whose ids begin with `prefix`. Return their counts and their workers.

    The counts are a pair: the number of posted payments, and the number of their entries. The workers are the names of
    the workers that imported the payments.
    """
    with transaction(database) as tx:
        found = tx.execute(
            text(
                "SELECT count(DISTINCT line_ref), count(*) FROM entries JOIN lines ON lines.id = line_ref "
                "WHERE payment_id LIKE :prefix"
            ),
            {"prefix": f"{prefix}-%"},
        ).one()
        asked = "SELECT DISTINCT who FROM history JOIN lines ON lines.id = line_ref WHERE payment_id LIKE :prefix"
        return tuple(found), set(tx.execute(text(asked), {"prefix": f"{prefix}-%"}).scalars())


def wait_until_imported(engines, seconds_max):
    with connect_redis(engines.redis_url) as client:
        feed = Streams(client, STREAM, STREAMS)
        wait_for(lambda: not feed.waiting_count(), seconds_max, "the feed is empty")


def test_second_host_takes_over_when_the_first_is_disconnected(engines, database, hosts):
    publish(engines, "both", 2_000)
    wait_until_imported(engines, 120)
    counts, workers = imported_counts(database, "both")
    assert counts == (2_000, 2_000)
    assert len([each for each in workers if each.startswith("importer")]) == 2

    publish(engines, "cut", 2_000)
    wait_for(lambda: imported_counts(database, "cut")[0][0], 60, "they are at work")
    hosts[0].disconnect_cable()
    publish(engines, "after", 200)
    wait_until_imported(engines, 180)
    assert [imported_counts(database, prefix)[0] for prefix in ("cut", "after")] == [(2_000, 2_000), (200, 200)]
    (left,) = imported_counts(database, "after")[1]

    hosts[0].connect_cable()
    hosts[1].disconnect_cable()
    publish(engines, "back", 200)
    wait_until_imported(engines, 180)
    counts, workers = imported_counts(database, "back")
    assert counts == (200, 200)
    assert workers.isdisjoint({left})
