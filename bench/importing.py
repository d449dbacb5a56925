"""How fast events on the feed become durable entries of the ledger, with the real processes, and what that uses."""

import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bench import made
from bench.processes import cpu_seconds, every_process, serving
from bench.stage import Stage, our_processes, plain, running, signal_group

WARM_UP = 2_000


@dataclass(frozen=True)
class Imported:
    """One run: how many events, how long, CPU seconds by process, and bytes written to the two logs."""

    events: int
    seconds: float
    cpu_seconds: Mapping[str, float]
    wal_bytes: int
    append_only_bytes: int

    @property
    def rate(self) -> float:
        """Events a second."""
        return self.events / self.seconds


Run = Callable[[], Imported]


def ours(stage: Stage, events: int, importers: int) -> Imported:
    """Import so many events that wait on the feed with an intake and an importer of so many processes."""
    stage.fresh()
    with our_processes(stage, importers) as numbers:
        return _measured(stage, events, numbers, [numbers["intake"]])


def floor(stage: Stage, events: int, processes: int, chunk: int) -> Imported:
    """Write the same rows with so many processes of the floor's script."""
    stage.fresh()
    with ExitStack() as stack:
        names = [f"floor-{number}" for number in range(processes)]
        addresses = (plain(stage.engines.database_url), stage.engines.redis_url, stage.settings.stream)
        command = (sys.executable, "-m", "bench.floor", *addresses)
        numbers = {name: stack.enter_context(running(stage, name, (*command, name, str(chunk)))) for name in names}
        return _measured(stage, events, numbers, list(numbers.values()))


def _measured(stage: Stage, events: int, numbers: Mapping[str, int], held: list[int]) -> Imported:
    """Let the processes warm up, put the backlog there while those that begin are held, let go, and look."""
    stage.publish(made.events(WARM_UP, prefix="warm"))
    stage.wait_until_empty()
    with standing_still(held):
        stage.publish(made.events(events))
        before = Gauge.read(stage, numbers)
        started = time.perf_counter()
    seconds = stage.wait_until_empty() - started
    used = Gauge.read(stage, numbers).since(before)
    stage.check(events + WARM_UP)
    return Imported(events, seconds, used.cpu_seconds, used.wal_bytes, used.append_only_bytes)


@dataclass(frozen=True)
class Gauge:
    """What was used so far."""

    cpu_seconds: Mapping[str, float]
    wal_bytes: int
    append_only_bytes: int

    @classmethod
    def read(cls, stage: Stage, numbers: Mapping[str, int]) -> "Gauge":
        """Read it now."""
        processes = every_process()
        named = dict(numbers) | {
            "PostgreSQL": serving(stage.home / "postgres" / "data", processes),
            "Redis": serving(stage.home / "valkey", processes),
        }
        return cls(
            {name: cpu_seconds([number], processes) for name, number in named.items()},
            int(str(stage.one("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"))),
            int(stage.feed.info("persistence")["aof_current_size"]),
        )

    def since(self, earlier: "Gauge") -> "Gauge":
        """Return what was used from an earlier moment to this."""
        return Gauge(
            {name: self.cpu_seconds[name] - used for name, used in earlier.cpu_seconds.items()},
            self.wal_bytes - earlier.wal_bytes,
            self.append_only_bytes - earlier.append_only_bytes,
        )


@contextmanager
def standing_still(leaders: list[int]) -> Iterator[None]:
    """Hold processes at what they are doing until the block ends."""
    for leader in leaders:
        signal_group(leader, signal.SIGSTOP)
    try:
        yield
    finally:
        for leader in leaders:
            signal_group(leader, signal.SIGCONT)
