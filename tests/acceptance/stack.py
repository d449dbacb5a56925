"""Run `payments up` as a real process with a separate home and separate ports, and run commands on that stack."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from config.redis_urls import with_redis_database
from tests.acceptance import commands

PAYMENTS_PROGRAM = str(Path(sys.executable).with_name("payments"))
UP_SECONDS_MAX, DOWN_SECONDS_MAX, SETTLED_SECONDS_MAX = 120, 30, 120

JsonRow = dict[str, Any]


class Stack:
    """A stack in one home folder. PostgreSQL is embedded; Valkey is embedded unless REDIS_URL is set."""

    def __init__(self, home: Path, redis_database: int, **settings: str) -> None:
        self.home = home
        self.flower_port = free_port()
        self.environment = clean_environment() | {
            "PAYMENTS_HOME": str(home),
            "PAYMENTS_FLOWER_PORT": str(self.flower_port),
            "PAYMENTS_CONSOLE_PORT": str(free_port()),
            "FLOWER_UNAUTHENTICATED_API": "true",
            **settings,
        }
        if server := os.environ.get("REDIS_URL"):
            self.environment["REDIS_URL"] = with_redis_database(server, redis_database)
        self.log = home / "up.log"

    def start(self) -> None:
        """Start the stack, and return when it is healthy."""
        self.home.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [PAYMENTS_PROGRAM, "up"],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.wait_until_healthy()

    def wait_until_healthy(self) -> None:
        """Wait until `payments health` succeeds."""
        deadline = time.monotonic() + UP_SECONDS_MAX
        while (health := self.run("health")).returncode:
            assert self.process.poll() is None, f"payments up has ended: {self.log_tail()}"
            assert time.monotonic() < deadline, f"not healthy: {health.stdout}{health.stderr}{self.log_tail()}"
            time.sleep(0.1)

    def stop(self) -> int:
        """Stop the stack with SIGTERM, and return its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DOWN_SECONDS_MAX)

    def kill_remaining(self) -> None:
        """Kill the remaining processes, so that a failed test leaves none behind."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def log_tail(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-15:])

    def processes(self, module: str = "") -> list[int]:
        """Return the pids of the stack's processes. If `module` is given, return only those that run it."""
        return [
            pid for pid in _all_pids() if self._is_process_of_stack(pid) and module in _read_proc_file(pid, "cmdline")
        ]

    def group_leader_pid(self, module: str) -> int:
        """Return the pid of the process that the supervisor started for this module."""
        return next(pid for pid in self.processes(module) if os.getpgid(pid) == pid)

    def _is_process_of_stack(self, pid: int) -> bool:
        has_home_setting = f"PAYMENTS_HOME={self.home}\0" in _read_proc_file(pid, "environ")
        return has_home_setting or str(self.home) in _read_proc_file(pid, "cmdline") or self._runs_in_home(pid)

    def _runs_in_home(self, pid: int) -> bool:
        try:
            return Path(f"/proc/{pid}/cwd").readlink().is_relative_to(self.home)
        except OSError:  # it has ended, or belongs to another user
            return False

    def run(self, *arguments: object, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
        """Run a command, and return its status and output."""
        return commands.run([*map(str, arguments)], self.environment, stdin)

    def run_successfully(self, *arguments: object, stdin: bytes = b"") -> str:
        """Run a command that must succeed, and return its output."""
        done = self.run(*arguments, stdin=stdin)
        assert done.returncode == 0, f"{done.args}: {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def publish(self, *events: Mapping[str, object] | bytes) -> None:
        lines = (event if isinstance(event, bytes) else json.dumps(event).encode() for event in events)
        self.run_successfully("emr", "publish", "-", stdin=b"\n".join(lines) + b"\n")

    def wait_until_idle(self) -> None:
        self.run_successfully("wait", "--timeout", SETTLED_SECONDS_MAX)

    def report(self, *arguments: object) -> list[JsonRow]:
        rows: list[JsonRow] = json.loads(self.run_successfully("report", *arguments, "--format", "json"))
        return rows

    def claims_feed(self, clinic: str) -> dict[str, JsonRow]:
        """Return the Claims Feed rows of a clinic by payment key."""
        return {row["payment"]: row for row in self.report("claims-feed", "--clinic", clinic)}

    def payment_log(self, clinic: str) -> list[JsonRow]:
        """Return the Payment Log rows of a clinic."""
        return [row for row in self.report("payment-log") if row["payment"].startswith(f"{clinic}/")]

    def set_clinic(self, clinic: str, types: str, integration: str = "on") -> None:
        self.run_successfully(
            "settings", "set", clinic, "--company", "acme", "--integration", integration, "--types", types
        )


def clean_environment() -> dict[str, str]:
    """Return this process's environment without the product's settings."""
    return {name: value for name, value in os.environ.items() if not _is_setting_name(name)}


def _all_pids() -> Iterator[int]:
    yield from (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _read_proc_file(pid: int, what: str) -> str:
    try:
        return Path(f"/proc/{pid}/{what}").read_text(errors="replace")
    except OSError:  # it has ended
        return ""


def _is_setting_name(name: str) -> bool:
    return name.startswith("PAYMENTS_") or name in {"DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
