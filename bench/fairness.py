"""Measure how one company's failing payments delay the others: `python -m bench.fairness [FAILING] [RATE]`.

PostgreSQL refuses every payment of one company for a reason of the payment's own. FAILING of its payments arrive at
once, and more at a tenth of the rate, while the other companies publish new payments at the rate.
"""

import argparse
import json
import sys
import threading
from collections.abc import Iterator
from itertools import islice

from sqlalchemy import text

from bench import generated_events
from bench.latency import Latency, measure_events
from bench.testbed import Testbed, our_processes, start_testbed
from payments.store.db.connection import transaction

SERVICES = ("importer", "intake", "retrier")
FAILING_COMPANY = "company-1"
SECONDS = 20
_REFUSE = (
    """
    CREATE FUNCTION refuse_company() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'refused for the benchmark'; END $$
    """,
    f"""
    CREATE TRIGGER refuse_company BEFORE INSERT ON lines FOR EACH ROW
    WHEN (NEW.company_id = '{FAILING_COMPANY}') EXECUTE FUNCTION refuse_company()
    """,
)


def main() -> None:
    """Measure without and with a company whose payments fail, and print both."""
    asked = argparse.ArgumentParser(prog="python -m bench.fairness", description=__doc__)
    asked.add_argument("failing", type=int, nargs="?", default=1_000)
    asked.add_argument("rate", type=int, nargs="?", default=200)
    options = asked.parse_args()
    with start_testbed() as testbed:
        testbed.fresh()
        with our_processes(testbed, 1, SERVICES):
            _measure(testbed, options.failing, options.rate)


def _measure(testbed: Testbed, failing: int, rate: int) -> None:
    testbed.publish(generated_events.events(200, prefix="warm"))
    testbed.wait_until_empty()
    _print("no company fails", measure_events(testbed, _new(rate, "before"), rate))
    _refuse_company(testbed)
    testbed.publish(_of_company("failing", failing, is_failing=True))
    with _FailingPublisher(testbed, rate / 10):
        latency = measure_events(testbed, _new(rate, "meanwhile"), rate)
    _print(f"{failing:,} payments of one company fail", latency)
    attempts = testbed.scalar("SELECT count(*) FROM history WHERE what = 'failed'")
    sys.stdout.write(f"{attempts} attempts recorded; {testbed.feed.xlen(testbed.settings.stream):,} waiting\n")


def _refuse_company(testbed: Testbed) -> None:
    with transaction(testbed.database) as tx:
        for statement in _REFUSE:
            tx.execute(text(statement))


class _FailingPublisher:
    """Publish failing payments at a rate until the block ends."""

    def __init__(self, testbed: Testbed, rate: float) -> None:
        self._testbed, self._pause, self._ended = testbed, 1 / rate, threading.Event()
        self._thread = threading.Thread(target=self._publish)

    def _publish(self) -> None:
        for body in _of_company("trickle", 100_000, is_failing=True):
            self._testbed.publish(iter([body]))
            if self._ended.wait(self._pause):
                return

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def _new(rate: int, prefix: str) -> list[bytes]:
    return list(_of_company(prefix, rate * SECONDS, is_failing=False))


def _of_company(prefix: str, count: int, *, is_failing: bool) -> Iterator[bytes]:
    """Yield `count` events of the failing company, or of the others."""
    found = generated_events.events(10_000_000, prefix=prefix)
    return islice((each for each in found if (json.loads(each)["company_id"] == FAILING_COMPANY) is is_failing), count)


def _print(what: str, latency: Latency) -> None:
    figures = f"p50 {latency.p50:.1f} ms, p95 {latency.p95:.1f} ms, p99 {latency.p99:.1f} ms"
    sys.stdout.write(f"{what}: {latency.rate}/s for {SECONDS} s: {figures}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
