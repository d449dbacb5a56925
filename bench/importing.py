"""How fast events on the feed become durable entries of the ledger, with the real processes."""

import signal
import time

from bench import made
from bench.stage import Stage, our_processes, signal_group

WARM_UP = 2_000


def ours(stage: Stage, events: int, importers: int, **env: str) -> float:
    """Import so many events that wait on the feed, and return how many a second."""
    stage.fresh()
    with our_processes(stage, importers, **env) as numbers:
        stage.publish(made.events(WARM_UP, prefix="warm"))
        stage.wait_until_empty()
        # The intake stands still while the backlog is put there, so that all of it waits when the work starts.
        signal_group(numbers["intake"], signal.SIGSTOP)
        stage.publish(made.events(events))
        started = time.perf_counter()
        signal_group(numbers["intake"], signal.SIGCONT)
        seconds = stage.wait_until_empty() - started
    stage.check(events + WARM_UP)
    return events / seconds
