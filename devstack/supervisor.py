"""Supervise child processes. Restart a process that ends, and stop all processes in order.

One thread waits for the output of a child, for a signal (SIGCHLD is one) and for the next deadline.
docs/decisions/0001-run-our-own-supervisor.md explains why no library is used.
"""

import contextlib
import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any, Self

import structlog

from devstack.child_output import ChildOutput
from devstack.child_process import Child, has_ended, kill_group, request_stop, spawn
from workers.runtime.config_errors import EXIT_MISCONFIGURED

log = structlog.get_logger(__name__)

_HURRIED_GRACE_SECONDS = 1.0
_READ_BYTES = 65_536


@dataclass(frozen=True)
class RestartBackoff:
    """The delay before a restart. Each failure doubles it. A run that lasts `reset_after_seconds` resets it."""

    initial_seconds: float = 0.5
    max_seconds: float = 30.0
    reset_after_seconds: float = 60.0

    def delay_seconds(self, failures: int) -> float:
        """Return the delay after this number of failures in a row. `failures` is at least 1."""
        return min(self.max_seconds, self.initial_seconds * 2.0 ** min(failures - 1, 30))


@dataclass
class _ChildState:
    """The state of a child. It runs, waits for its restart at `restart_at`, or has ended for good."""

    child: Child
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    failures: int = 0
    restart_at: float | None = None
    kill_at: float | None = None


class Supervisor:
    """Runs child processes until a signal stops it.

    Use it as a context manager in the main thread, because only the main thread receives signals.
    """

    def __init__(self, output: ChildOutput, backoff: RestartBackoff | None = None) -> None:
        self._output = output
        self._backoff = backoff or RestartBackoff()
        self._watched: list[_ChildState] = []
        self._selector = selectors.DefaultSelector()
        self._stop_signals = 0
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._cleanup.callback(self._output.close)
        self._cleanup.callback(self._close_pipes)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # If nohup or a shell has made the process ignore a signal, the signal stays ignored.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._set_handler(number, self._on_stop_signal)
        self._set_handler(signal.SIGCHLD, lambda _number, _frame: None)
        receiver, sender = socket.socketpair()
        for end in (receiver, sender):
            end.settimeout(0)
            self._cleanup.callback(end.close)
        self._cleanup.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(sender.fileno(), warn_on_full_buffer=False))
        self._selector.register(receiver, selectors.EVENT_READ, None)
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop_all()
        self._cleanup.close()

    @property
    def stopping(self) -> bool:
        """Whether a signal has requested that the supervisor stop."""
        return self._stop_signals > 0

    def on_exit(self, callback: Callable[[], object]) -> None:
        """Register a function to be called after all children have ended. Functions are called in reverse order."""
        self._cleanup.callback(callback)

    def start(self, child: Child) -> None:
        """Start a child and supervise it."""
        watched = _ChildState(child)
        self._watched.append(watched)
        self._spawn(watched)

    def poll_running(self, name: str) -> bool:
        """Handle pending output and signals. Return whether the child `name` is running and no stop was requested."""
        self.poll(0)
        return not self.stopping and any(w.process is not None for w in self._watched if w.child.name == name)

    def run(self) -> None:
        """Supervise the children until a signal requests the stop, then stop them."""
        while not self.stopping:
            self.poll()
        self.stop_all()

    def poll(self, seconds_max: float | None = None) -> None:
        """Wait up to `seconds_max` for output, a signal or a deadline, and handle what occurred."""
        for key, _ in self._selector.select(self._seconds_to_next(seconds_max)):
            if key.data is None:
                self._drain_wakeups(key.fileobj)
            else:
                self._read(key.data)
        for watched in self._watched:
            if watched.process is not None and has_ended(watched.process):
                self._on_end(watched)
            if watched.restart_at is not None and watched.restart_at <= time.monotonic():
                self._spawn(watched)

    def stop_all(self) -> None:
        """Stop the children tier by tier, starting with the highest tier. The children of a tier stop together."""
        self._stop_signals = max(self._stop_signals, 1)
        for watched in self._watched:
            watched.restart_at = None
        for tier in sorted({w.child.tier for w in self._watched}, reverse=True):
            self._stop_tier([w for w in reversed(self._watched) if w.child.tier == tier])
        self._watched.clear()

    def _stop_tier(self, tier: list[_ChildState]) -> None:
        for watched in tier:
            if watched.process is not None:
                log.info("child_stopping", child=watched.child.name)
                request_stop(watched.process, watched.child)
                watched.kill_at = time.monotonic() + watched.child.grace_seconds
        while any(watched.process is not None for watched in tier):
            self.poll()
            self._kill_overdue(tier)

    def _kill_overdue(self, tier: list[_ChildState]) -> None:
        now = time.monotonic()
        for watched in tier:
            if watched.process is None or watched.kill_at is None:
                continue
            if self._stop_signals > 1:
                watched.kill_at = min(watched.kill_at, now + _HURRIED_GRACE_SECONDS)
            if watched.kill_at <= now:
                log.warning("child_killed", child=watched.child.name, grace_seconds=watched.child.grace_seconds)
                kill_group(watched.process)
                self._on_end(watched)

    def _spawn(self, watched: _ChildState) -> None:
        """Start a child. If the system cannot start it now, log the error and schedule a restart."""
        watched.started_at, watched.restart_at = time.monotonic(), None
        try:
            read_end, watched.process = self._start_process(watched.child)
        except (OSError, subprocess.SubprocessError) as error:
            delay_seconds = self._schedule_restart(watched)
            name, reason = watched.child.name, str(error)
            log.warning("child_not_started", child=name, error=reason, restart_in_seconds=delay_seconds)
            return
        self._selector.register(read_end, selectors.EVENT_READ, (read_end, watched.child.name))
        log.info("child_started", child=watched.child.name, pid=watched.process.pid)

    @staticmethod
    def _start_process(child: Child) -> tuple[int, subprocess.Popen[bytes]]:
        """Start a process. Return the read end of its output pipe, and the process. Raises OSError, SubprocessError."""
        read_end, write_end = os.pipe()
        try:
            os.set_blocking(read_end, False)
            with os.fdopen(write_end, "wb") as output:
                return read_end, spawn(child, output)
        except BaseException:
            os.close(read_end)
            raise

    def _schedule_restart(self, watched: _ChildState) -> float:
        """Schedule the restart of a child that has ended or did not start, and return the delay in seconds."""
        now = time.monotonic()
        ran_well = now - watched.started_at >= self._backoff.reset_after_seconds
        watched.failures = 1 if ran_well else watched.failures + 1
        delay_seconds = self._backoff.delay_seconds(watched.failures)
        watched.restart_at = now + delay_seconds
        return delay_seconds

    def _on_end(self, watched: _ChildState) -> None:
        """Log the end of a child. Schedule its restart, unless it is misconfigured or the supervisor is stopping."""
        assert watched.process is not None  # noqa: S101 - for the type checker: only a running child ends
        status, name, watched.process = watched.process.returncode, watched.child.name, None
        self._read_remaining(name)
        if self.stopping:
            log.info("child_ended", child=name, status=status)
        elif status == EXIT_MISCONFIGURED:
            log.error("child_not_restarted", child=name, status=status, hint="a setting is wrong: see its last line")
        else:
            delay_seconds = self._schedule_restart(watched)
            log.warning("child_ended", child=name, status=status, restart_in_seconds=delay_seconds)

    def _read(self, source: tuple[int, str]) -> bool:
        """Read from a pipe once. Return whether there was output. If the output has ended, close the pipe."""
        descriptor, name = source
        try:
            data = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return False
        if data:
            self._output.write(name, data)
        else:
            self._selector.unregister(descriptor)
            os.close(descriptor)
            self._output.flush(name)
        return bool(data)

    def _read_remaining(self, name: str) -> None:
        for key in list(self._selector.get_map().values()):
            if key.data is not None and key.data[1] == name:
                # A pipe is soon empty. The limit is for a process that inherited the pipe and keeps writing.
                any(not self._read(key.data) for _ in range(64))

    def _close_pipes(self) -> None:
        for key in list(self._selector.get_map().values()):
            if key.data is not None:
                os.close(key.data[0])
        self._selector.close()

    def _seconds_to_next(self, seconds_max: float | None) -> float | None:
        due = [at for w in self._watched for at in (w.restart_at, w.kill_at if w.process else None) if at is not None]
        delays = [max(0.0, at - time.monotonic()) for at in due]
        return min([*delays, *([] if seconds_max is None else [seconds_max])], default=None)

    def _on_stop_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stop_signals += 1

    def _set_handler(self, number: signal.Signals, handler: Callable[[int, FrameType | None], Any]) -> None:
        self._cleanup.callback(signal.signal, number, signal.signal(number, handler))

    @staticmethod
    def _drain_wakeups(receiver: Any) -> None:
        with contextlib.suppress(BlockingIOError):
            while receiver.recv(_READ_BYTES):
                pass
