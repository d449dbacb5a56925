"""Measure the rate and the cost of the import, from the feed to committed entries. The real services run."""

import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from bench import generated_events
from bench.processes import cpu_seconds, every_process, server_pid
from bench.testbed import Testbed, our_processes, running, signal_group
from config.database_urls import libpq_url

WARM_UP = 2_000


@dataclass(frozen=True)
class ImportMeasurement:
    """The result of one import: events, seconds, CPU seconds by process, and bytes of WAL and append-only file."""

    events: int
    seconds: float
    cpu_seconds: Mapping[str, float]
    wal_bytes: int
    append_only_bytes: int

    @property
    def rate(self) -> float:
        """The number of imported events per second."""
        return self.events / self.seconds


Run = Callable[[], ImportMeasurement]


def measure_product(testbed: Testbed, events: int, importers: int) -> ImportMeasurement:
    """Measure the import of a backlog of `events` events by one intake and one importer with `importers` processes."""
    testbed.start_round()
    with our_processes(testbed, importers) as pids:
        return _measure_backlog(testbed, events, pids, [pids["intake"]])


def measure_lower_bound(testbed: Testbed, events: int, processes: int, chunk_size: int) -> ImportMeasurement:
    """Measure the lower bound: `processes` processes write the rows of an import, without its rules and locks."""
    testbed.start_round()
    with ExitStack() as stack:
        names = [f"floor-{number}" for number in range(processes)]
        addresses = (
            libpq_url(testbed.engines.database_url),
            testbed.engines.redis_url,
            testbed.settings.stream,
        )
        command = (sys.executable, "-m", "bench.lower_bound", *addresses)
        pids = {name: stack.enter_context(running(testbed, name, (*command, name, str(chunk_size)))) for name in names}
        return _measure_backlog(testbed, events, pids, list(pids.values()))


def _measure_backlog(testbed: Testbed, events: int, pids: Mapping[str, int], held: list[int]) -> ImportMeasurement:
    """Publish a backlog while the processes in `held` are frozen. Then measure its import.

    The processes are frozen after their warm-up.
    """
    testbed.publish(generated_events.events(WARM_UP, prefix="warm"))
    testbed.wait_until_empty()
    with frozen_processes(held):
        testbed.publish(generated_events.events(events))
        before = ResourceUsage.read(testbed, pids)
        started = time.perf_counter()
    seconds = testbed.wait_until_empty() - started
    used = ResourceUsage.read(testbed, pids).since(before)
    testbed.check_imported_once(events + WARM_UP)
    return ImportMeasurement(events, seconds, used.cpu_seconds, used.wal_bytes, used.append_only_bytes)


@dataclass(frozen=True)
class ResourceUsage:
    """CPU seconds, and bytes written to the WAL of PostgreSQL and to the append-only file of Redis.

    An instance is a reading, or the difference of two readings.
    """

    cpu_seconds: Mapping[str, float]
    wal_bytes: int
    append_only_bytes: int

    @classmethod
    def read(cls, testbed: Testbed, pids: Mapping[str, int]) -> "ResourceUsage":
        """Return the current reading."""
        processes = every_process()
        named = dict(pids) | {
            "PostgreSQL": server_pid(testbed.home / "postgres" / "data", processes),
            "Redis": server_pid(testbed.home / "valkey", processes),
        }
        return cls(
            {name: cpu_seconds([pid], processes) for name, pid in named.items()},
            int(str(testbed.scalar("SELECT pg_current_wal_lsn() - '0/0'::pg_lsn"))),
            int(testbed.feed.info("persistence")["aof_current_size"]),
        )

    def since(self, earlier: "ResourceUsage") -> "ResourceUsage":
        """Return the difference between this reading and an earlier one."""
        return ResourceUsage(
            {name: self.cpu_seconds[name] - used for name, used in earlier.cpu_seconds.items()},
            self.wal_bytes - earlier.wal_bytes,
            self.append_only_bytes - earlier.append_only_bytes,
        )


@contextmanager
def frozen_processes(leaders: list[int]) -> Iterator[None]:
    """Freeze these processes with SIGSTOP until the block ends."""
    for leader in leaders:
        signal_group(leader, signal.SIGSTOP)
    try:
        yield
    finally:
        for leader in leaders:
            signal_group(leader, signal.SIGCONT)
