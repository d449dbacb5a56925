"""A feed partitioned by company, against a real Redis and a real PostgreSQL."""

from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import text

from config.settings import read_settings
from emr.client import PaymentFeed
from payments.contract.stream_partition import stream_number
from payments.core.scope import Scope
from payments.journeys import reporting
from payments.journeys.reporting import FeedFilter
from payments.store.db.connection import transaction
from tasks.feed import entry_retry, import_attempt, stream
from tasks.feed.dispatcher import Dispatcher
from tasks.feed.streams import Streams
from tests.builders.events import saved_patient, saved_payment
from tests.tasks.dispatching import LEASE_MS, open_dispatcher, take_messages, take_request

STREAMS = 4
COMPANIES = [f"company-{number}" for number in range(12)]


@pytest.fixture
def streams(feed, stream_name):
    """Create a feed of four numbered streams, each with its group."""
    streams = Streams(feed, stream_name, STREAMS)
    streams.ensure_groups()
    yield streams
    feed.delete(*streams.names)


@pytest.fixture
def partitioned_resources(resources, streams):
    """Resources with a partitioned feed."""
    return replace(resources, settings=resources.settings.model_copy(update={"streams": STREAMS}))


def publish(engines, name, events, count=STREAMS):
    with PaymentFeed(engines.redis_url, name, count) as feed:
        return [feed.publish(event) for event in events]


def save_events(companies, clinic_id):
    """Yield the save of a patient and of a payment for each company."""
    for company in companies:
        named = {"company_id": company, "patient_id": clinic_id}
        yield saved_patient(**named)
        yield saved_payment(**named, clinic_id=f"{clinic_id} {company}", payment_id=company)


def read_all(streams):
    """Read all new entries of all streams, and return the qualified entry ids (stream and id)."""
    return [entry.entry_id for entry in streams.read_new(streams.names, 1_000 * len(streams.names), "no-reply")]


def test_events_of_a_company_are_on_its_stream(engines, feed, streams, clinic_id):
    publish(engines, streams.name, [*save_events(COMPANIES, clinic_id), b"{}", b"\xff"])

    found = {name: [fields[b"event"] for _, fields in feed.xrange(name)] for name in streams.names}
    assert found.pop(streams.name) == [b"{}", b"\xff"]
    for name, bodies in found.items():
        mine = [each for each in COMPANIES if f"{streams.name}:{stream_number(each, STREAMS)}" == name]
        assert len(bodies) == 2 * len(mine)
        assert all(any(f'"{company}"'.encode() in body for company in mine) for body in bodies)


def test_each_stream_has_its_share_of_a_chunk_and_all_entries_are_imported(
    engines, streams, partitioned_resources, clinic_id
):
    everything = 2 * len(COMPANIES) + 1
    with open_dispatcher(engines, streams.name, PAYMENTS_STREAMS="4", PAYMENTS_PENDING_MAX="100") as dispatcher:
        publish(engines, streams.name, save_events(COMPANIES, clinic_id))
        # A publisher that does not know of the partitions uses the unnumbered stream.
        publish(engines, streams.name, [saved_patient("another", company_id="company-1")], count=1)
        assert streams.waiting_count() == everything
        shares = []
        while streams.stats(datetime.now(UTC)).undelivered:
            dispatcher.run_cycle()
            shares.append(take_request(dispatcher)["streams"])
            import_attempt.import_new(partitioned_resources, "no-reply", shares[-1])

    assert shares[0] == list(streams.names)
    assert (streams.stats(datetime.now(UTC)).pending, streams.waiting_count()) == (0, 0)
    with transaction(partitioned_resources.database) as tx:
        kept = [
            list(reporting.claims_feed(tx, FeedFilter(scope=Scope.of_clinics(f"{clinic_id} {company}"))))
            for company in COMPANIES
        ]
    assert [[row.payment.split("/")[1] for row in rows] for rows in kept] == [[company] for company in COMPANIES]


def test_company_does_not_wait_for_the_backlog_of_another(engines, feed, streams, partitioned_resources, clinic_id):
    first, second = (f"{streams.name}:{stream_number(company, STREAMS)}" for company in ("company-1", "company-2"))
    assert first != second
    publish(engines, streams.name, [saved_patient(f"patient-{number}", company_id="company-1") for number in range(50)])
    publish(engines, streams.name, save_events(["company-2"], clinic_id))
    with open_dispatcher(engines, streams.name, PAYMENTS_STREAMS="4", PAYMENTS_PENDING_MAX="100") as dispatcher:
        dispatcher.run_cycle()
        import_attempt.import_new(
            replace(partitioned_resources, settings=dispatcher.settings),
            "no-reply",
            take_request(dispatcher)["streams"],
        )

    assert (feed.xlen(first), feed.xlen(second)) == (48, 0)


def test_chunk_of_several_streams_is_claimed_and_acknowledged_in_each(
    engines, streams, partitioned_resources, clinic_id
):
    publish(engines, streams.name, save_events(COMPANIES, clinic_id))
    entries = read_all(streams)
    assert len({entry.rpartition("/")[0] for entry in entries}) > 2

    stats = import_attempt.import_entries(partitioned_resources, entries)

    assert (stats.evaluated, stats.noted) == (len(COMPANIES), len(COMPANIES))
    assert streams.waiting_count() == 0


def test_idle_entries_of_every_stream_are_dead_lettered_by_their_qualified_ids(
    engines, feed, streams, partitioned_resources
):
    # The same id on several streams names several entries.
    for name in streams.names[:3]:
        feed.xadd(name, {"event": f'"{name}"'}, id="7-0")
    with open_dispatcher(engines, streams.name, PAYMENTS_STREAMS="4", PAYMENTS_PENDING_MAX="100") as dispatcher:
        assert read_all(streams) == ["7-0", "0/7-0", "1/7-0"]
        for name in streams.names[:3]:
            feed.xclaim(name, "billing", "intake", 0, ["7-0"], idle=LEASE_MS + 1_000, retrycount=99, justid=True)
        dispatcher.sweep()
        assert take_messages(dispatcher) == ["payments.retry_entries"]

    entry_retry.retry_entries(partitioned_resources)
    assert streams.waiting_count() == 0
    with transaction(partitioned_resources.database) as tx:
        asked = "SELECT entry_id, body FROM set_aside WHERE entry_id ~ '(^|/)7-0$' ORDER BY entry_id"
        kept = tx.execute(text(asked)).all()
    bodies = [f'"{name}"'.encode() for name in streams.names[:3]]
    assert kept == [("0/7-0", bodies[1]), ("1/7-0", bodies[2]), ("7-0", bodies[0])]


def test_number_of_streams_may_change_while_entries_are_on_the_feed(
    engines, feed, streams, partitioned_resources, clinic_id
):
    publish(engines, streams.name, list(save_events(COMPANIES[:6], clinic_id)), count=2)
    publish(engines, streams.name, list(save_events(COMPANIES[6:], clinic_id)), count=4)
    entries = read_all(streams)

    # An importer with another number of streams imports the entries that the message names.
    import_attempt.import_entries(
        replace(partitioned_resources, settings=partitioned_resources.settings.model_copy(update={"streams": 1})),
        entries,
    )

    assert streams.waiting_count() == 0


def test_streams_are_created_when_the_dispatcher_starts(engines, feed, stream_name):
    settings = read_settings({"PAYMENTS_STREAM": stream_name, "PAYMENTS_STREAMS": "3"})
    with closing(Dispatcher(settings, engines)) as dispatcher:
        dispatcher.stopping.set()
        dispatcher.run()

        assert [stream.pending_count(feed, name) for name in dispatcher.streams.names] == [0] * 4
        feed.delete(*dispatcher.streams.names)
