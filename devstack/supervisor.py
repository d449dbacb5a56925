"""Keeps child processes running, and stops them in order; knows nothing of what they do.

One thread waits for three things at once: output of a child, a signal (an ended child is one), and the next time
that is due. See docs/decisions/0001-run-our-own-supervisor.md for why this is not a library.
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
from devstack.child_process import Child, ask_to_stop, end_group, has_ended, spawn
from workers.runtime.config_errors import EXIT_MISCONFIGURED

log = structlog.get_logger(__name__)

_HURRIED_GRACE_SECONDS = 1.0
_READ_BYTES = 65_536


@dataclass(frozen=True)
class Backoff:
    """How long to wait before an ended child is started again: doubled each time, forgotten after a good run."""

    first_seconds: float = 0.5
    most_seconds: float = 30.0
    good_run_seconds: float = 60.0

    def after(self, endings: int) -> float:
        """Return the wait after so many endings in a row, the first being 1."""
        return min(self.most_seconds, self.first_seconds * 2.0 ** min(endings - 1, 30))


@dataclass
class _Watched:
    """A child as it stands: running, or due to be started again, or given up."""

    child: Child
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    endings: int = 0
    start_again_at: float | None = None
    kill_at: float | None = None


class Supervisor:
    """Runs children until it is told to stop; use it as a context in the main thread, which receives the signals."""

    def __init__(self, output: ChildOutput, backoff: Backoff | None = None) -> None:
        self._output = output
        self._backoff = backoff or Backoff()
        self._watched: list[_Watched] = []
        self._selector = selectors.DefaultSelector()
        self._stops_asked = 0
        self._cleanup = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self._cleanup.callback(self._output.close)
        self._cleanup.callback(self._forget_pipes)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            # Ignored means that whoever started us wants it so: nohup, or a shell's background job.
            if signal.getsignal(number) is not signal.SIG_IGN:
                self._handle(number, self._on_stop_signal)
        self._handle(signal.SIGCHLD, lambda _number, _frame: None)
        wakes, woken = socket.socketpair()
        for end in (wakes, woken):
            end.settimeout(0)
            self._cleanup.callback(end.close)
        self._cleanup.callback(signal.set_wakeup_fd, signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False))
        self._selector.register(wakes, selectors.EVENT_READ, None)
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop_all()
        self._cleanup.close()

    @property
    def stopping(self) -> bool:
        """Whether a signal has asked for the end."""
        return self._stops_asked > 0

    def at_the_end(self, tidy: Callable[[], object]) -> None:
        """Have this called once all children have ended."""
        self._cleanup.callback(tidy)

    def start(self, child: Child) -> None:
        """Start a child and watch it from now on."""
        watched = _Watched(child)
        self._watched.append(watched)
        self._spawn(watched)

    def is_running(self, name: str) -> bool:
        """Tell whether that child has not ended; what it wrote in the meantime is passed on."""
        self.turn(0)
        return not self.stopping and any(w.process is not None for w in self._watched if w.child.name == name)

    def run(self) -> None:
        """Watch the children until a signal asks for the end, then stop them."""
        while not self.stopping:
            self.turn()
        self.stop_all()

    def turn(self, seconds_max: float | None = None) -> None:
        """Wait for one thing to happen, at most so long, and deal with it."""
        for key, _ in self._selector.select(self._seconds_to_next(seconds_max)):
            if key.data is None:
                self._empty(key.fileobj)
            else:
                self._read(key.data)
        for watched in self._watched:
            if watched.process is not None and has_ended(watched.process):
                self._on_end(watched)
            if watched.start_again_at is not None and watched.start_again_at <= time.monotonic():
                self._spawn(watched)

    def stop_all(self) -> None:
        """Stop the children in reverse order: all of one tier together, and the next once they have ended."""
        self._stops_asked = max(self._stops_asked, 1)
        for watched in self._watched:
            watched.start_again_at = None
        for tier in sorted({w.child.tier for w in self._watched}, reverse=True):
            self._stop([w for w in reversed(self._watched) if w.child.tier == tier])
        self._watched.clear()

    def _stop(self, tier: list[_Watched]) -> None:
        for watched in tier:
            if watched.process is not None:
                log.info("child_stopping", child=watched.child.name)
                ask_to_stop(watched.process, watched.child)
                watched.kill_at = time.monotonic() + watched.child.grace_seconds
        while any(watched.process is not None for watched in tier):
            self.turn()
            self._kill_the_overdue(tier)

    def _kill_the_overdue(self, tier: list[_Watched]) -> None:
        now = time.monotonic()
        for watched in tier:
            if watched.process is None or watched.kill_at is None:
                continue
            if self._stops_asked > 1:
                watched.kill_at = min(watched.kill_at, now + _HURRIED_GRACE_SECONDS)
            if watched.kill_at <= now:
                log.warning("child_killed", child=watched.child.name, grace_seconds=watched.child.grace_seconds)
                end_group(watched.process)
                self._on_end(watched)

    def _spawn(self, watched: _Watched) -> None:
        read_end, write_end = os.pipe()
        os.set_blocking(read_end, False)
        with os.fdopen(write_end, "wb") as output:
            watched.process = spawn(watched.child, output)
        watched.started_at, watched.start_again_at = time.monotonic(), None
        self._selector.register(read_end, selectors.EVENT_READ, (read_end, watched.child.name))
        log.info("child_started", child=watched.child.name, pid=watched.process.pid)

    def _on_end(self, watched: _Watched) -> None:
        """Note the end of a child, and decide whether and when it is started again."""
        assert watched.process is not None  # noqa: S101 - for the type checker: only a running child ends
        status, name, watched.process = watched.process.returncode, watched.child.name, None
        self._read_what_is_left(name)
        if self.stopping:
            log.info("child_ended", child=name, status=status)
        elif status == EXIT_MISCONFIGURED:
            log.error("child_given_up", child=name, status=status, hint="a setting is wrong: see its last line")
        else:
            ran_well = time.monotonic() - watched.started_at >= self._backoff.good_run_seconds
            watched.endings = 1 if ran_well else watched.endings + 1
            wait_seconds = self._backoff.after(watched.endings)
            watched.start_again_at = time.monotonic() + wait_seconds
            log.warning("child_ended", child=name, status=status, start_again_in_seconds=wait_seconds)

    def _read(self, source: tuple[int, str]) -> bool:
        """Read one piece if there is any, and tell whether there was; a pipe at its end is forgotten."""
        descriptor, name = source
        try:
            piece = os.read(descriptor, _READ_BYTES)
        except BlockingIOError:
            return False
        if piece:
            self._output.take(name, piece)
        else:
            self._selector.unregister(descriptor)
            os.close(descriptor)
            self._output.end(name)
        return bool(piece)

    def _read_what_is_left(self, name: str) -> None:
        for key in list(self._selector.get_map().values()):
            if key.data is not None and key.data[1] == name:
                # A pipe holds little; the bound is for a stranger that inherited it and writes on.
                any(not self._read(key.data) for _ in range(64))

    def _forget_pipes(self) -> None:
        for key in list(self._selector.get_map().values()):
            if key.data is not None:
                os.close(key.data[0])
        self._selector.close()

    def _seconds_to_next(self, seconds_max: float | None) -> float | None:
        due = [
            at for w in self._watched for at in (w.start_again_at, w.kill_at if w.process else None) if at is not None
        ]
        waits = [max(0.0, at - time.monotonic()) for at in due]
        return min([*waits, *([] if seconds_max is None else [seconds_max])], default=None)

    def _on_stop_signal(self, _number: int, _frame: FrameType | None) -> None:
        self._stops_asked += 1

    def _handle(self, number: signal.Signals, handler: Callable[[int, FrameType | None], Any]) -> None:
        self._cleanup.callback(signal.signal, number, signal.signal(number, handler))

    @staticmethod
    def _empty(wakes: Any) -> None:
        with contextlib.suppress(BlockingIOError):
            while wakes.recv(_READ_BYTES):
                pass
