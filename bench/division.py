"""What dividing the feed by company costs and gives: `python -m bench.division [EVENTS]`.

It costs round trips, and cuts a backlog into more chunks. It gives a company with one event its turn beside one that
has a backlog: the undivided stream goes by time alone.
"""

import argparse
import json
import time
from collections.abc import Iterator

from bench import made
from bench.importing import standing_still
from bench.stage import Stage, our_processes, staged, wait_for
from emr.client import PaymentFeed
from tasks.feed.streams import Streams

COUNTS = (1, 8, 64)
WARM_UP = 2_000


def main() -> None:
    """Measure each division, and print a line for it."""
    asked = argparse.ArgumentParser(prog="python -m bench.division", description=__doc__)
    asked.add_argument("events", type=int, nargs="?", default=20_000)
    events = asked.parse_args().events
    with staged() as stage:
        for count in COUNTS:
            stage.settings = stage.settings.model_copy(update={"streams": count})
            rate, waited = _rate(stage, events), _neighbour(stage, events)
            print(
                f"{count:3} streams: {rate:7,.0f} events a second of {made.COMPANIES} companies; "
                f"one event behind {events:,} of another company: {waited:6.2f} s",
                flush=True,
            )


def _rate(stage: Stage, events: int) -> float:
    """Return how many events of all companies are imported a second."""
    stage.fresh()
    feed = Streams(stage.feed, stage.settings.stream, stage.settings.streams)
    with our_processes(stage, 1, PAYMENTS_STREAMS=str(feed.count)) as numbers:
        _publish(stage, made.events(WARM_UP, prefix="warm"))
        wait_for(lambda: feed.length() == 0, "the feed to be empty", 600)
        with standing_still([numbers["intake"]]):
            _publish(stage, made.events(events))
            started = time.perf_counter()
        wait_for(lambda: feed.length() == 0, "the feed to be empty", 600)
        seconds = time.perf_counter() - started
    stage.check(events + WARM_UP)
    return events / seconds


def _neighbour(stage: Stage, events: int) -> float:
    """Return how long one event waits that comes last, when all before it are another company's."""
    stage.fresh()
    feed = Streams(stage.feed, stage.settings.stream, stage.settings.streams)
    # Two companies whose events lie apart wherever there is more than one stream.
    with our_processes(stage, 1, PAYMENTS_STREAMS=str(feed.count)) as numbers:
        _publish(stage, _of("company-0", made.events(WARM_UP * made.COMPANIES, prefix="warm")))
        wait_for(lambda: feed.length() == 0, "the feed to be empty", 600)
        with standing_still([numbers["intake"]]):
            _publish(stage, _of("company-0", made.events(events * made.COMPANIES)))
            _publish(stage, [next(_of("company-1", made.events(1_000, prefix="last")))])
            started = time.perf_counter()
        wait_for(lambda: stage.one("SELECT count(*) FROM lines WHERE payment_id LIKE 'last%'"), "the one event", 600)
        waited = time.perf_counter() - started
        wait_for(lambda: feed.length() == 0, "the feed to be empty", 600)
    return waited


def _publish(stage: Stage, bodies: Iterator[bytes] | list[bytes]) -> None:
    feed = PaymentFeed(stage.engines.redis_url, stage.settings.stream, stage.settings.streams)
    with feed:
        feed.publish_many(bodies, chunk=1_000)


def _of(company: str, bodies: Iterator[bytes]) -> Iterator[bytes]:
    return (body for body in bodies if json.loads(body)["company_id"] == company)


if __name__ == "__main__":
    main()
