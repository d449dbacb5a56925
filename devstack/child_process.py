"""One child process: how it is started, and how it is ended for certain; knows nothing of what runs in it."""

import contextlib
import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

# Linux: the kernel sends a process this signal when the thread that started it ends.
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Child:
    """What to start, and how it wants to be stopped."""

    name: str
    command: tuple[str, ...]
    # Added to the environment of the process that starts it.
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    # A user id to run under, for a process that refuses to run as root.
    user: int | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 10.0
    # Higher tiers are stopped first: an engine outlives those that work on it.
    tier: int = 1


def spawn(child: Child, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
    """Start the child in a session of its own, so that Ctrl-C at the terminal reaches its starter alone.

    On Linux the child gets its stop signal when the starting thread ends, so not even a SIGKILL of the starter
    leaves an orphan behind; elsewhere the next start finds an engine left behind and ends it.
    """
    return subprocess.Popen(
        child.command,
        env=dict(os.environ) | dict(child.env),
        cwd=child.cwd,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        user=child.user,
        group=None if child.user is None else pwd.getpwuid(child.user).pw_gid,
        extra_groups=None if child.user is None else [],
        preexec_fn=_tie_to_starter(child.stop_signal),  # noqa: PLW1509 - one system call, made ready before the fork
    )


def ask_to_stop(process: subprocess.Popen[bytes], child: Child) -> None:
    """Send the child its own stop signal; it alone gets it and tells the processes that it started."""
    if not has_ended(process):
        process.send_signal(child.stop_signal)


def end_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the child and whatever it started that is still in its process group, and collect it."""
    # Until the child is collected its number stays taken, so the signal cannot reach a stranger's group.
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Tell whether the child itself has ended; what it left in its process group is killed before it is collected."""
    if process.returncode is not None:
        return True
    if not hasattr(os, "waitid"):  # macOS: what it left behind stays
        return process.poll() is not None
    if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        return False
    end_group(process)
    return True


def stop(process: subprocess.Popen[bytes], child: Child) -> None:
    """Ask the child to stop, wait for its grace to pass, then kill it."""
    ask_to_stop(process, child)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(child.grace_seconds)
    end_group(process)


def _tie_to_starter(stop_signal: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    starter = os.getpid()

    def tie() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(stop_signal))
        if os.getppid() != starter:
            os._exit(1)  # it ended before the call above

    return tie
