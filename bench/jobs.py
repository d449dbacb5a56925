"""Measure how fast common job queues run jobs that do nothing. All use the same broker with the same durability."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bench.contenders.job_marker import LINE_BYTES
from bench.testbed import ROOT, Testbed, WrongResultError, our_processes, running, signal_group, wait_for
from tasks.feed.streams import Streams

OTHER_QUEUES = ROOT / ".venv-bench" / "bin" / "python"
WARM_UP = 100
PROCESSES = 2


@dataclass(frozen=True)
class Contender:
    """A job queue to compare with: its worker command, its number of jobs, and its number of workers.

    The number of jobs is chosen so that they take a few seconds.
    """

    name: str
    module: str
    python: Path
    work: Sequence[str]
    jobs: int
    workers: int = 1
    env: dict[str, str] = field(default_factory=dict)

    @property
    def is_installed(self) -> bool:
        """Whether the package of the job queue is installed."""
        module = self.module.removeprefix("with_")
        asked = [str(self.python), "-c", f"import {module}"]
        return self.python.exists() and not subprocess.run(asked, check=False, capture_output=True).returncode


_THIS_PYTHON = Path(sys.executable)
_CELERY_COMMAND = ("-m", "bench.contenders.with_celery", "work")
CONTENDERS = (
    Contender("Celery, our settings", "with_celery", _THIS_PYTHON, _CELERY_COMMAND, 600),
    Contender(
        "Celery, as it comes", "with_celery", _THIS_PYTHON, _CELERY_COMMAND, 1_500, env={"BENCH_SETTINGS": "bare"}
    ),
    Contender(
        "Dramatiq",
        "with_dramatiq",
        OTHER_QUEUES,
        ("-m", "dramatiq", "bench.contenders.with_dramatiq", "--processes", str(PROCESSES)),
        6_000,
    ),
    Contender(
        "Huey",
        "with_huey",
        OTHER_QUEUES,
        (
            "-m",
            "huey.bin.huey_consumer",
            "bench.contenders.with_huey.huey",
            "-w",
            str(PROCESSES),
            "-k",
            "process",
            "-q",
        ),
        6_000,
    ),
    Contender("RQ", "with_rq", OTHER_QUEUES, ("-m", "bench.contenders.with_rq", "work"), 300, PROCESSES),
    Contender(
        "Taskiq",
        "with_taskiq",
        OTHER_QUEUES,
        ("-m", "taskiq", "worker", "bench.contenders.with_taskiq:broker", "--workers", str(PROCESSES)),
        3_000,
    ),
)


def run(testbed: Testbed, contender: Contender) -> float:
    """Enqueue and run the contender's jobs. Return the jobs per second.

    Raises WrongResultError if a job did not run exactly once.
    """
    jobs = contender.jobs
    testbed.start_round()
    done_file = testbed.home / "done"
    done_file.write_bytes(b"")
    env = {"BENCH_REDIS": testbed.engines.broker_url, "BENCH_DONE": str(done_file)} | contender.env
    with ExitStack() as stack:
        name = contender.module.removeprefix("with_")
        leaders = [
            stack.enter_context(running(testbed, f"{name}-{number}", (str(contender.python), *contender.work), **env))
            for number in range(contender.workers)
        ]
        _enqueue(testbed, contender, env, 0, WARM_UP)
        wait_for(lambda: _count_finished(done_file) == WARM_UP, f"{contender.name} to do {WARM_UP} jobs")
        for leader in leaders:
            signal_group(leader, signal.SIGSTOP)
        _enqueue(testbed, contender, env, WARM_UP, jobs)
        started = time.perf_counter()
        for leader in leaders:
            signal_group(leader, signal.SIGCONT)
        wait_for(lambda: _count_finished(done_file) >= WARM_UP + jobs, f"{contender.name} to do {jobs:,} jobs")
        seconds = time.perf_counter() - started
        time.sleep(0.1)  # in which a job that ran twice would show
    numbers = sorted(map(int, done_file.read_text().split()))
    if numbers != list(range(WARM_UP + jobs)):
        raise WrongResultError(f"{contender.name}: {WARM_UP + jobs:,} jobs, and {len(numbers):,} runs")
    return jobs / seconds


def measure_one_task_per_payment(testbed: Testbed, events: int = 300) -> float:
    """Import `events` events with one Celery task per event. Return the events per second."""
    from bench import generated_events  # noqa: PLC0415
    from config.celery import celery_settings  # noqa: PLC0415
    from tasks.app import make_app  # noqa: PLC0415
    from tasks.importing import import_events  # noqa: PLC0415

    testbed.start_round()
    make_app(celery_settings(testbed.engines))
    with our_processes(testbed, PROCESSES, only=("importer",)) as pids:
        for count, prefix in ((WARM_UP, "warm"), (events, "p")):
            testbed.publish(generated_events.events(count, prefix=prefix))
            if prefix == "p":
                signal_group(pids["importer"], signal.SIGSTOP)
            feed = Streams(testbed.feed, testbed.settings.stream)
            while taken := feed.read_new(feed.names, 500, "nobody"):
                for entry in taken:
                    import_events.delay(entry_ids=[entry.entry_id])
            started = time.perf_counter()
            signal_group(pids["importer"], signal.SIGCONT)
            seconds = testbed.wait_until_empty() - started
    testbed.check_imported_once(WARM_UP + events)
    return events / seconds


def _enqueue(testbed: Testbed, contender: Contender, env: dict[str, str], first: int, count: int) -> None:
    command = (str(contender.python), "-m", f"bench.contenders.{contender.module}", "enqueue", str(first), str(count))
    completed = subprocess.run(
        command, check=False, cwd=ROOT, env=os.environ | testbed.variables | env, capture_output=True, text=True
    )
    if completed.returncode:
        raise WrongResultError(f"{contender.name} could not put jobs on its queue: {completed.stderr[-1_000:]}")


def _count_finished(done_file: Path) -> int:
    return done_file.stat().st_size // LINE_BYTES
