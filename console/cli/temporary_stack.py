"""A temporary stack: embedded PostgreSQL and Redis, free ports, and a home directory that is removed at the end."""

# ruff: noqa: PLC0415 (imports inside functions keep `payments --help` fast)

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from console.cli.session import CliContext
from console.cli.stack import STACK, stack_environment
from console.errors import CommandError

if TYPE_CHECKING:
    from config.settings import Settings

START_SECONDS_MAX = 90
STOP_SECONDS_MAX, SECOND_STOP_SECONDS_MAX = 30, 10
_PING_SECONDS = 2
_LOG_LINES_SHOWN = 12


class StackError(CommandError):
    """The stack did not start, or ended early. `log_tail` holds the last lines of its log."""

    def __init__(self, problem: str, log: Path) -> None:
        self.log_tail = log.read_text(errors="replace").splitlines()[-_LOG_LINES_SHOWN:]
        super().__init__(problem)


class TemporaryStack:
    """A running stack with its home directory."""

    def __init__(self, home: Path) -> None:
        from config.settings import read_settings

        self._log = home / "stack.log"
        self._environment = _environment(home)
        self.settings: Settings = read_settings(self._environment)
        with self._log.open("wb") as log:
            # A new session: Ctrl-C reaches this command alone, which then stops the stack in order.
            self._process = subprocess.Popen(
                STACK,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_until_healthy(self, on_change: Callable[[str], None]) -> CliContext:
        """Wait until every component works. Return the context of the stack.

        `on_change` is called with a text about the progress. Raises StackError if the stack ends, or does not work
        after START_SECONDS_MAX.
        """
        from config.engines import NotRunningError, current_engines
        from tasks.health_check import check_health

        deadline, missing = time.monotonic() + START_SECONDS_MAX, "the engines"
        while time.monotonic() < deadline:
            self.check_running()
            with contextlib.suppress(NotRunningError):
                context = CliContext(self.settings, current_engines(self.settings))
                health = check_health(context.engines, context.settings, _PING_SECONDS)
                down = [part.name for part in health.components if not part.is_up]
                if not down:
                    return context
                missing = ", ".join(down)
            on_change(f"Starting; waiting for: {missing}")
            time.sleep(0.2)
        raise self.stack_error(f"the stack was not healthy after {START_SECONDS_MAX} s; missing: {missing}")

    def check_running(self) -> None:
        """Check that the stack has not ended. Otherwise raises StackError."""
        if self._process.poll() is not None:
            raise self.stack_error(f"the stack ended with status {self._process.returncode}")

    def stack_error(self, problem: str) -> StackError:
        """Return a StackError with this problem and the last lines of the stack's log."""
        return StackError(problem, self._log)

    def stop(self) -> None:
        """Stop the stack: terminate it, if necessary twice, and then kill it.

        The next attempt begins after a timeout or another Ctrl-C.
        """
        for seconds in (STOP_SECONDS_MAX, SECOND_STOP_SECONDS_MAX):
            self._process.terminate()
            try:
                self._process.wait(seconds)
            except (subprocess.TimeoutExpired, KeyboardInterrupt):
                continue
            return
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


@contextmanager
def temporary_stack() -> Iterator[TemporaryStack]:
    """Run a stack until the block ends, by return, error or signal. Then remove its home directory."""
    home = Path(tempfile.mkdtemp(prefix="payments-demo-"))
    with _exit_on_signals():
        try:
            stack = TemporaryStack(home)
            try:
                yield stack
            finally:
                stack.stop()
        finally:
            shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _exit_on_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP raise an exception in the block, as Ctrl-C does, so that cleanup code runs."""

    def end(number: int, _frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _environment(home: Path) -> dict[str, str]:
    """Return the environment of the stack, without the variables that configure other installations."""
    own = {name: value for name, value in stack_environment().items() if not _names_installation(name)}
    flower, console = _free_ports()
    return own | {
        "PAYMENTS_HOME": str(home),
        "PAYMENTS_FLOWER_PORT": str(flower),
        "PAYMENTS_CONSOLE_PORT": str(console),
        "PAYMENTS_LOG_FORMAT": "columns",
    }


def _names_installation(name: str) -> bool:
    return name in {"DATABASE_URL", "REDIS_URL", "CELERY_BROKER_URL"} or name.startswith("PAYMENTS_")


def _free_ports() -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        for each in (first, second):
            each.bind(("127.0.0.1", 0))
        return first.getsockname()[1], second.getsockname()[1]
