"""Whether the memory of the intake and the importer stays flat while a backlog waits on the feed."""

import threading
from collections.abc import Mapping

from bench import made
from bench.importing import WARM_UP, standing_still
from bench.processes import every_process, memory_bytes
from bench.stage import Stage, our_processes

SIZES = (10_000, 1_000_000)
LIMIT = 1.10
"""How much more memory the larger backlog may take."""


def measure(stage: Stage, events: int) -> dict[str, int]:
    """Import a backlog of so many events, and return the most memory that each process held, in bytes."""
    stage.fresh()
    most: dict[str, int] = {}
    done = threading.Event()
    with our_processes(stage, 1) as numbers:
        stage.publish(made.events(WARM_UP, prefix="warm"))
        stage.wait_until_empty()
        with standing_still([numbers["intake"]]):
            stage.publish(made.events(events))
            watcher = threading.Thread(target=_watch, args=(numbers, most, done))
            watcher.start()
        try:
            stage.wait_until_empty()
        finally:
            done.set()
            watcher.join()
    stage.check(events + WARM_UP)
    return most


def _watch(numbers: Mapping[str, int], most: dict[str, int], done: threading.Event) -> None:
    while not done.wait(0.1):
        processes = every_process()
        for name, number in numbers.items():
            most[name] = max(most.get(name, 0), memory_bytes([number], processes))
