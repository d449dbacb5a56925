"""A feed divided by company: published, read, imported and swept as one, between a real Redis and PostgreSQL."""

from contextlib import closing
from dataclasses import replace

import pytest
from sqlalchemy import text

from config.settings import read_settings
from emr.client import PaymentFeed
from payments.contract.stream_partition import stream_number
from payments.journeys import reporting
from payments.journeys.reporting import FeedFilter
from payments.store.db.connection import transaction
from tasks.feed import import_attempt, stream
from tasks.feed.streams import Streams
from tests.make import patient, saved
from tests.tasks.feeding import LEASE_MS, opened, requested, sent
from workers.intake import Intake

STREAMS = 4
COMPANIES = [f"company-{number}" for number in range(12)]


@pytest.fixture
def streams(feed, stream_name):
    """The feed in four parts, each with its group."""
    streams = Streams(feed, stream_name, STREAMS)
    streams.ensure_groups()
    yield streams
    feed.delete(*streams.names)


@pytest.fixture
def divided(here, streams):
    """What a task works with where the feed is divided."""
    return replace(here, settings=here.settings.model_copy(update={"streams": STREAMS}))


def publish(engines, name, events, count=STREAMS):
    with PaymentFeed(engines.redis_url, name, count) as feed:
        return [feed.publish(event) for event in events]


def saves(companies, clinic_id):
    """Return a patient and a payment of each company, whose clinic has not been seen before."""
    for company in companies:
        named = {"company_id": company, "patient_id": clinic_id}
        yield patient(**named)
        yield saved(**named, clinic_id=f"{clinic_id} {company}", payment_id=company)


def taken(streams):
    """Take all that is new, and return the names of the entries."""
    return [entry.entry_id for entry in streams.take_new(streams.names, 1_000 * len(streams.names), "nobody")]


def through(divided, messages):
    """Import what the messages name, and return how many there were of each kind."""
    for name, entry_ids in messages:
        work = {"payments.import_events": import_attempt.import_entries, "payments.give_up": import_attempt.give_up}[
            name
        ]
        work(divided, entry_ids)


def test_the_events_of_a_company_lie_on_its_stream(engines, feed, streams, clinic_id):
    publish(engines, streams.name, [*saves(COMPANIES, clinic_id), b"{}", b"\xff"])

    found = {name: [fields[b"event"] for _, fields in feed.xrange(name)] for name in streams.names}
    assert found.pop(streams.name) == [b"{}", b"\xff"]
    for name, bodies in found.items():
        mine = [each for each in COMPANIES if f"{streams.name}:{stream_number(each, STREAMS)}" == name]
        assert len(bodies) == 2 * len(mine)
        assert all(any(f'"{company}"'.encode() in body for company in mine) for body in bodies)


def test_each_company_has_its_share_of_a_chunk_and_all_of_it_is_imported(engines, streams, divided, clinic_id):
    everything = 2 * len(COMPANIES) + 1
    with opened(engines, streams.name, PAYMENTS_STREAMS="4", PAYMENTS_PENDING_MAX="100") as intake:
        publish(engines, streams.name, saves(COMPANIES, clinic_id))
        # One that was never told of the division goes on as before.
        publish(engines, streams.name, [patient("another", company_id="company-1")], count=1)
        assert streams.length() == everything
        shares = []
        while streams.figures().unread:
            intake.turn()
            shares.append(requested(intake)["streams"])
            import_attempt.import_new(divided, "nobody", shares[-1])

    assert shares[0] == list(streams.names)
    assert (streams.figures().outstanding, streams.length()) == (0, 0)
    with transaction(divided.database) as tx:
        kept = [reporting.claims_feed(tx, FeedFilter(clinics=(f"{clinic_id} {company}",))) for company in COMPANIES]
    assert [[row.payment.split("/")[1] for row in rows] for rows in kept] == [[company] for company in COMPANIES]


def test_a_company_with_one_event_waits_for_no_backlog_of_another(engines, feed, streams, divided, clinic_id):
    first, second = (f"{streams.name}:{stream_number(company, STREAMS)}" for company in ("company-1", "company-2"))
    assert first != second
    publish(engines, streams.name, [patient(f"patient-{number}", company_id="company-1") for number in range(50)])
    publish(engines, streams.name, saves(["company-2"], clinic_id))
    with opened(engines, streams.name, PAYMENTS_STREAMS="4", PAYMENTS_PENDING_MAX="100") as intake:
        intake.turn()
        import_attempt.import_new(replace(divided, settings=intake.settings), "nobody", requested(intake)["streams"])

    assert (feed.xlen(first), feed.xlen(second)) == (48, 0)


def test_a_chunk_of_several_streams_is_claimed_and_acknowledged_in_each(engines, streams, divided, clinic_id):
    publish(engines, streams.name, saves(COMPANIES, clinic_id))
    entries = taken(streams)
    assert len({entry.rpartition("/")[0] for entry in entries}) > 2

    stats = import_attempt.import_entries(divided, entries)

    assert (stats.evaluated, stats.noted) == (len(COMPANIES), len(COMPANIES))
    assert streams.length() == 0


def test_what_lies_idle_is_found_on_every_stream_and_given_up_by_its_own_name(engines, feed, streams, divided):
    # The same id on two streams: they are two entries.
    for name in streams.names[:3]:
        feed.xadd(name, {"event": f'"{name}"'}, id="7-0")
    with opened(engines, streams.name, PAYMENTS_STREAMS="4", PAYMENTS_PENDING_MAX="100") as intake:
        assert taken(streams) == ["7-0", "0/7-0", "1/7-0"]
        for name in streams.names[:3]:
            feed.xclaim(name, "billing", "intake", 0, ["7-0"], idle=LEASE_MS + 1_000, retrycount=9, justid=True)
        intake.sweep()
        messages = sent(intake)

    assert messages == [("payments.give_up", ["7-0", "0/7-0", "1/7-0"])]
    through(divided, messages)
    assert streams.length() == 0
    with transaction(divided.database) as tx:
        asked = "SELECT entry_id, body FROM set_aside WHERE entry_id ~ '(^|/)7-0$' ORDER BY entry_id"
        kept = tx.execute(text(asked)).all()
    bodies = [f'"{name}"'.encode() for name in streams.names[:3]]
    assert kept == [("0/7-0", bodies[1]), ("1/7-0", bodies[2]), ("7-0", bodies[0])]


def test_a_division_may_become_finer_and_coarser_while_events_are_on_it(engines, feed, streams, divided, clinic_id):
    publish(engines, streams.name, list(saves(COMPANIES[:6], clinic_id)), count=2)
    publish(engines, streams.name, list(saves(COMPANIES[6:], clinic_id)), count=4)
    entries = taken(streams)

    # An importer that was not told how many streams there are takes what the message names.
    import_attempt.import_entries(
        replace(divided, settings=divided.settings.model_copy(update={"streams": 1})), entries
    )

    assert streams.length() == 0


def test_the_streams_are_made_when_the_intake_begins(engines, feed, stream_name):
    settings = read_settings({"PAYMENTS_STREAM": stream_name, "PAYMENTS_STREAMS": "3"})
    with closing(Intake(settings, engines)) as intake:
        intake.stopping.set()
        intake.run()

        assert [stream.outstanding(feed, name) for name in intake.streams.names] == [0] * 4
        feed.delete(*intake.streams.names)
