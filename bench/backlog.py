"""Measure the memory of the intake and the importer during the import of a backlog."""

import threading
from collections.abc import Mapping

from bench import generated_events
from bench.importing import WARM_UP, frozen_processes
from bench.processes import every_process, largest_memory_bytes
from bench.testbed import Testbed, our_processes

SIZES = (10_000, 1_000_000)
MEMORY_RATIO_MAX = 1.10
"""Target: the peak memory at the larger backlog, divided by that at the smaller one, is at most this."""


def measure(testbed: Testbed, events: int) -> dict[str, int]:
    """Import a backlog of `events` events. Return the peak memory in bytes by process name."""
    testbed.start_round()
    most: dict[str, int] = {}
    done = threading.Event()
    with our_processes(testbed, 1) as pids:
        testbed.publish(generated_events.events(WARM_UP, prefix="warm"))
        testbed.wait_until_empty()
        with frozen_processes([pids["intake"]]):
            testbed.publish(generated_events.events(events))
            watcher = threading.Thread(target=_sample_backlog, args=(pids, most, done))
            watcher.start()
        try:
            testbed.wait_until_empty()
        finally:
            done.set()
            watcher.join()
    testbed.check_imported_once(events + WARM_UP)
    return most


def _sample_backlog(pids: Mapping[str, int], most: dict[str, int], done: threading.Event) -> None:
    while not done.wait(0.1):
        processes = every_process()
        for name, pid in pids.items():
            most[name] = max(most.get(name, 0), largest_memory_bytes([pid], processes))
