"""Run `payments up` as real processes, with access to each process, to PostgreSQL and to Redis."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import redis
from sqlalchemy import create_engine

from config.engines import Engines, running_stack
from payments.journeys import reporting
from payments.store.db.connection import Database, transaction
from tasks.app import close_app
from tasks.resources import connect_redis
from tests.acceptance.stack import clean_environment, free_port
from tests.faults.processes import children_of, command_of, folder_of, megabytes_of, wait_for

STREAM = "emr:payments"
UP_SECONDS, QUIET_SECONDS, DOWN_SECONDS = 60, 180, 40
PROCESSES = ("intake", "importer", "retrier", "backoffice", "scheduler")


class RunningStack:
    """A stack started in one PAYMENTS_HOME folder: its processes, and connections to its PostgreSQL and Redis."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        # A short backoff schedule, because a test cannot wait half an hour for a retry.
        self.environment = clean_environment() | {
            "PAYMENTS_HOME": str(home),
            "PAYMENTS_FLOWER_PORT": str(free_port()),
            "PAYMENTS_CONSOLE_PORT": str(free_port()),
            "PAYMENTS_RETRY_LADDER": "2s,2s,2s,2s,2s,2s,2s,2s,2s,2s,2s,2s,10h",
            **settings,
        }
        self.extra: list[subprocess.Popen[bytes]] = []
        self.database: Database | None = None

    def start(self, *options: str) -> None:
        """Start the stack with these supervisor options. Return when it is ready to import events."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.fast_supervisor = self._spawn("supervisor", "-m", "tests.faults.fast_supervisor", *options)
        stack = wait_for(lambda: self._fail_if_ended() or running_stack(self.home), UP_SECONDS, "the engines answer")
        self.engines: Engines = stack.engines
        self.database = create_engine(self.engines.database_url, pool_pre_ping=True)
        self.feed: redis.Redis = connect_redis(self.engines.redis_url)
        self.broker: redis.Redis = connect_redis(self.engines.broker_url)
        wait_for(lambda: all(self.main_pids(name) for name in PROCESSES), UP_SECONDS, "all processes are there")

    def stop(self) -> None:
        """Stop the processes with SIGTERM. If a process does not stop in time, kill the rest and fail."""
        close_app()  # a test may have sent messages to its broker
        for process in self.extra:
            process.send_signal(signal.SIGCONT)
            process.terminate()
        self.fast_supervisor.terminate()
        try:
            for process in (*self.extra, self.fast_supervisor):
                process.wait(DOWN_SECONDS)
        finally:
            self._kill_remaining()
            if self.database is not None:
                self.database.dispose()

    def start_extra_process(self, name: str) -> subprocess.Popen[bytes]:
        """Start an additional process of the service `name`. The supervisor does not restart this process."""
        process = self._spawn(f"{name}-{len(self.extra)}", "-m", f"workers.{name}")
        self.extra.append(process)
        return process

    def main_pids(self, name: str) -> list[int]:
        """Return the pids of the processes of this name that the supervisor started. Their children are omitted."""
        return [pid for pid in children_of(self.fast_supervisor.pid) if self._has_name(pid, name)]

    def wait_for_main_pid(self, name: str) -> int:
        """Wait until a process of this name exists, and return its pid."""
        return wait_for(lambda: self.main_pids(name), 30, f"{name} runs")[0]

    def child_pids(self, name: str) -> list[int]:
        """Return the pids of the child processes of a Celery worker."""
        return [child for leader in self.main_pids(name) for child in children_of(leader)]

    def memory(self) -> dict[int, float]:
        """Return the memory in megabytes of each process, by pid. PostgreSQL and Valkey are omitted."""
        leaders = [pid for name in PROCESSES for pid in self.main_pids(name)]
        return {pid: megabytes_of(pid) for leader in leaders for pid in (leader, *children_of(leader))}

    def signal(self, pid: int, number: signal.Signals) -> bool:
        """Send a signal to a process of this stack, and return whether it existed."""
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return False
        return True

    def pending_work(self) -> str:
        """Describe the pending work. Return an empty text if the stack is idle."""
        try:
            on_feed = self.feed.xlen(STREAM)
            with transaction(self.database) as tx:
                left = reporting.load_backlog(tx, datetime.now(UTC))
        except Exception as error:  # noqa: BLE001 (an engine that does not answer now may answer at the next look)
            return f"{type(error).__name__}"
        return f"{on_feed} on the feed, {left}" if on_feed or left.due or left.to_examine else ""

    def count_stalled_workers(self) -> int:
        """Return how many times a worker ended because it had stalled."""
        return (self.home / "supervisor.log").read_text(errors="replace").count('"worker_stalled"')

    def newest_entry_id(self) -> tuple[int, int]:
        """Return the id of the newest entry ever added to the feed."""
        return _parse_entry_id(self.feed.xinfo_stream(STREAM)["last-generated-id"])

    def is_acknowledged(self, entry: tuple[int, int]) -> bool:
        """Return whether this entry and all earlier ones are acknowledged. Importers acknowledge after the commit."""
        oldest = self.feed.xrange(STREAM, count=1)
        return not oldest or _parse_entry_id(oldest[0][0]) > entry

    def wait_until_idle(self, seconds_max: float = QUIET_SECONDS) -> float:
        """Wait until the stack is idle, and return how many seconds this took."""
        started = time.monotonic()
        try:
            wait_for(lambda: not self.pending_work(), seconds_max, "all is quiet")
        except AssertionError:
            raise AssertionError(f"not quiet: {self.pending_work()}\n{self.log_tail()}") from None
        return time.monotonic() - started

    def log_tail(self, lines: int = 25) -> str:
        log = self.home / "supervisor.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:]) if log.exists() else ""

    def _spawn(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        with (self.home / f"{name}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, *arguments],
                env=self.environment | {"REMAP_SIGTERM": "SIGQUIT"},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def _has_name(self, pid: int, name: str) -> bool:
        if name in PROCESSES:
            return command_of(pid).endswith((f"workers.{name}", f"tests.faults.fatal_tasks {name}"))
        # An engine runs in its folder. Valkey changes its command line after the start.
        return folder_of(pid).is_relative_to(self.home / name)

    def _fail_if_ended(self) -> None:
        assert self.fast_supervisor.poll() is None, f"it has ended: {self.log_tail()}"

    def _kill_remaining(self) -> None:
        for process in (*self.extra, self.fast_supervisor):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _parse_entry_id(entry_id: bytes) -> tuple[int, int]:
    milliseconds, _, number = entry_id.partition(b"-")
    return int(milliseconds), int(number)
