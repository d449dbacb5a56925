"""Measure how one company's failing payments delay the others: `python -m bench.fairness [FAILING] [RATE]`.

PostgreSQL refuses every payment of one company. FAILING payments of this company arrive simultaneously. Afterwards,
more of them arrive at a tenth of RATE, while new payments of the other companies arrive at RATE.
"""

import argparse
import sys
import threading

from bench import generated_events
from bench.failing_company import failing_events, other_events, refuse_company
from bench.latency import Latency, measure_events
from bench.testbed import Testbed, our_processes, start_testbed

SERVICES = ("importer", "intake", "retrier")
SECONDS = 20


def main() -> None:
    """Measure once without and once with a company whose payments fail. Print both results."""
    asked = argparse.ArgumentParser(prog="python -m bench.fairness", description=__doc__)
    asked.add_argument("failing", type=int, nargs="?", default=1_000)
    asked.add_argument("rate", type=int, nargs="?", default=200)
    options = asked.parse_args()
    with start_testbed() as testbed:
        testbed.start_round()
        with our_processes(testbed, 1, SERVICES):
            _measure(testbed, options.failing, options.rate)


def _measure(testbed: Testbed, failing: int, rate: int) -> None:
    testbed.publish(generated_events.events(200, prefix="warm"))
    testbed.wait_until_empty()
    _print_latency("no company fails", measure_events(testbed, _new_events(rate, "before"), rate))
    refuse_company(testbed)
    testbed.publish(failing_events(failing, "failing"))
    with _FailingPublisher(testbed, rate / 10):
        latency = measure_events(testbed, _new_events(rate, "meanwhile"), rate)
    _print_latency(f"{failing:,} payments of one company fail", latency)
    attempts = testbed.scalar("SELECT count(*) FROM history WHERE what = 'failed'")
    sys.stdout.write(f"{attempts} attempts recorded; {testbed.feed.xlen(testbed.settings.stream):,} waiting\n")


class _FailingPublisher:
    """Publishes failing payments at a rate until the block ends."""

    def __init__(self, testbed: Testbed, rate: float) -> None:
        self._testbed, self._pause, self._ended = testbed, 1 / rate, threading.Event()
        self._thread = threading.Thread(target=self._publish)

    def _publish(self) -> None:
        for body in failing_events(100_000, "trickle"):
            self._testbed.publish(iter([body]))
            if self._ended.wait(self._pause):
                return

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()


def _new_events(rate: int, prefix: str) -> list[bytes]:
    return list(other_events(rate * SECONDS, prefix))


def _print_latency(what: str, latency: Latency) -> None:
    figures = f"p50 {latency.p50:.1f} ms, p95 {latency.p95:.1f} ms, p99 {latency.p99:.1f} ms"
    sys.stdout.write(f"{what}: {latency.rate}/s for {SECONDS} s: {figures}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
