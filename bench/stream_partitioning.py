"""Measure cost and benefit of partitioning the feed by company: `python -m bench.stream_partitioning [EVENTS]`.

Partitioning needs more round trips, and makes chunks smaller. Without partitioning, a backlog of one company delays the
events of all companies, because a stream is read in the order in which events were added.
"""

import argparse
import json
import time
from collections.abc import Iterator

from bench import generated_events
from bench.importing import frozen_processes
from bench.testbed import Testbed, our_processes, start_testbed, wait_for
from emr.client import PaymentFeed
from tasks.feed.streams import Streams

STREAM_COUNTS = (1, 8, 64)
WARM_UP = 2_000


def main() -> None:
    """Measure rate and delay for several numbers of streams. Print one line for each number."""
    asked = argparse.ArgumentParser(prog="python -m bench.stream_partitioning", description=__doc__)
    asked.add_argument("events", type=int, nargs="?", default=20_000)
    events = asked.parse_args().events
    with start_testbed() as testbed:
        for count in STREAM_COUNTS:
            testbed.settings = testbed.settings.model_copy(update={"streams": count})
            rate, waited = _measure_rate(testbed, events), _measure_delay(testbed, events)
            print(
                f"{count:3} streams: {rate:7,.0f} events a second of {generated_events.COMPANIES} companies; "
                f"one event behind {events:,} of another company: {waited:6.2f} s",
                flush=True,
            )


def _measure_rate(testbed: Testbed, events: int) -> float:
    """Return the imported events per second, over all companies."""
    testbed.start_round()
    feed = Streams.from_settings(testbed.feed, testbed.settings)
    with our_processes(testbed, 1, PAYMENTS_STREAMS=str(feed.count)) as pids:
        _publish(testbed, generated_events.events(WARM_UP, prefix="warm"))
        wait_for(lambda: feed.waiting_count() == 0, "the feed to be empty", 600)
        with frozen_processes([pids["intake"]]):
            _publish(testbed, generated_events.events(events))
            started = time.perf_counter()
        wait_for(lambda: feed.waiting_count() == 0, "the feed to be empty", 600)
        seconds = time.perf_counter() - started
    testbed.check_imported_once(events + WARM_UP)
    return events / seconds


def _measure_delay(testbed: Testbed, events: int) -> float:
    """Return the delay in seconds of one event that arrives after a backlog of another company."""
    testbed.start_round()
    feed = Streams.from_settings(testbed.feed, testbed.settings)
    # Two companies whose events are in different streams, if there is more than one stream.
    with our_processes(testbed, 1, PAYMENTS_STREAMS=str(feed.count)) as pids:
        _publish(
            testbed,
            _events_of_company(
                "company-0", generated_events.events(WARM_UP * generated_events.COMPANIES, prefix="warm")
            ),
        )
        wait_for(lambda: feed.waiting_count() == 0, "the feed to be empty", 600)
        with frozen_processes([pids["intake"]]):
            _publish(
                testbed, _events_of_company("company-0", generated_events.events(events * generated_events.COMPANIES))
            )
            _publish(testbed, [next(_events_of_company("company-1", generated_events.events(1_000, prefix="last")))])
            started = time.perf_counter()
        wait_for(
            lambda: testbed.scalar("SELECT count(*) FROM lines WHERE payment_id LIKE 'last%'"), "the one event", 600
        )
        waited = time.perf_counter() - started
        wait_for(lambda: feed.waiting_count() == 0, "the feed to be empty", 600)
    return waited


def _publish(testbed: Testbed, bodies: Iterator[bytes] | list[bytes]) -> None:
    feed = PaymentFeed(testbed.engines.redis_url, testbed.settings.stream, testbed.settings.streams)
    with feed:
        feed.publish_many(bodies, chunk=1_000)


def _events_of_company(company: str, bodies: Iterator[bytes]) -> Iterator[bytes]:
    return (body for body in bodies if json.loads(body)["company_id"] == company)


if __name__ == "__main__":
    main()
