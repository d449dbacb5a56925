"""Measure the latency of new payments during a requeue: `python -m bench.requeueing [PAYMENTS] [RATE] [FAILING]`.

The requeued payments were Not Sent because the integration of their clinics was off. The retrier evaluates them again
while new payments arrive at a fixed rate. Meanwhile FAILING further payments of one company wait for their retries,
because PostgreSQL refuses them.
"""

import argparse
import sys
import time
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

from bench import generated_events
from bench.failing_company import failing_events, other_events, refuse_company
from bench.latency import Latency, measure_events
from bench.testbed import Testbed, our_processes, start_testbed
from config.celery import celery_settings
from payments.contract.event import ChargeType
from payments.core.outcome import Status
from payments.journeys import configuring, requeue_runs
from payments.journeys.configuring import SettingsUpdate
from payments.journeys.reporting import FeedFilter
from payments.store.db.connection import transaction
from tasks import wire_names
from tasks.app import close_app, make_app
from tasks.enqueue import send
from tasks.feed.pending import ISOLATED_DELIVERIES
from tasks.feed.stream import GROUP
from tasks.feed.streams import Streams

SERVICES = ("importer", "intake", "retrier")
SECONDS = 20
_CHUNK_ROWS = 5_000


def main() -> None:
    """Measure with and without a requeue, and print both results."""
    asked = argparse.ArgumentParser(prog="python -m bench.requeueing", description=__doc__)
    asked.add_argument("payments", type=int, nargs="?", default=200_000)
    asked.add_argument("rate", type=int, nargs="?", default=200)
    asked.add_argument("failing", type=int, nargs="?", default=0)
    options = asked.parse_args()
    with start_testbed() as testbed:
        testbed.start_round()
        _switch_clinics(testbed, generated_events.SETTINGS_SINCE + timedelta(days=1), integration=False)
        with ExitStack() as stack:
            stack.enter_context(our_processes(testbed, 2, ("importer", "intake")))
            testbed.publish(generated_events.events(options.payments, prefix="requeued"))
            testbed.wait_until_empty()
        _switch_clinics(testbed, datetime.now(UTC), integration=True)
        with our_processes(testbed, 1, SERVICES):
            testbed.publish(generated_events.events(200, prefix="warm"))
            testbed.wait_until_empty()
            _print_latency("no requeue", _measure(testbed, options.rate, "before"))
        _publish_waiting_entries(testbed, options.failing)
        with our_processes(testbed, 1, SERVICES):
            _measure_requeue(testbed, options.rate, options.failing)


def _measure_requeue(testbed: Testbed, rate: int, failing: int) -> None:
    count, begun = _requeue_all(testbed), time.perf_counter()
    latency = _measure(testbed, rate, "meanwhile")
    _print_latency(f"{count:,} requeued, {failing:,} in retry", latency)
    left = int(str(testbed.scalar("SELECT count(*) FROM lines WHERE due_at IS NOT NULL")))
    requeued = (count - left) / (time.perf_counter() - begun)
    waiting = testbed.feed.xpending(testbed.settings.stream, GROUP)["pending"]
    sys.stdout.write(f"{left:,} still due, {requeued:,.0f} a second meanwhile; {waiting:,} still in retry\n")


def _measure(testbed: Testbed, rate: int, prefix: str) -> Latency:
    testbed.checkpoint()
    return measure_events(testbed, list(other_events(rate * SECONDS, prefix)), rate)


def _publish_waiting_entries(testbed: Testbed, count: int) -> None:
    """Make PostgreSQL refuse one company, and put `count` of its payments on the feed as entries that await a retry."""
    refuse_company(testbed)
    testbed.publish(failing_events(count, "failing"))
    streams = Streams.from_settings(testbed.feed, testbed.settings)
    while entries := streams.read_new_blocking(_CHUNK_ROWS, 1):
        streams.release_for_retry([entry.entry_id for entry in entries], ISOLATED_DELIVERIES)


def _switch_clinics(testbed: Testbed, now: datetime, *, integration: bool) -> None:
    with transaction(testbed.database) as tx:
        for clinic in range(generated_events.CLINICS):
            company = generated_events.company_of(clinic)
            update = SettingsUpdate(f"clinic-{clinic}", company, integration=integration, charge_types=list(ChargeType))
            configuring.set_clinic(tx, update, now=now, who="bench")


def _requeue_all(testbed: Testbed) -> int:
    """Requeue all payments that are Not Sent, and enqueue the task that retries them. Return the number of payments."""
    with transaction(testbed.database) as tx:
        run = requeue_runs.start_run(tx, FeedFilter(status=Status.NOT_SENT), datetime.now(UTC), "bench")
    has_more = True
    while has_more:
        with transaction(testbed.database) as tx:
            has_more = requeue_runs.requeue_next_chunk(tx, run.run_id, datetime.now(UTC), _CHUNK_ROWS)
    make_app(celery_settings(testbed.engines))
    send(wire_names.RETRY_DUE)
    close_app()
    return int(str(testbed.scalar("SELECT count(*) FROM lines WHERE due_at IS NOT NULL")))


def _print_latency(what: str, latency: Latency) -> None:
    figures = f"p50 {latency.p50:.1f} ms, p95 {latency.p95:.1f} ms, p99 {latency.p99:.1f} ms"
    sys.stdout.write(f"{what}: {latency.rate}/s for {SECONDS} s: {figures}\n")


if __name__ == "__main__":
    main()
