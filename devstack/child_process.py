"""Start a child process, and stop it together with all processes of its group."""

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
    """A child process to start: its command, its environment, and how it is stopped."""

    name: str
    command: tuple[str, ...]
    # Added to the parent's environment.
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    # User id to run as, for a program that refuses to run as root.
    user: int | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    grace_seconds: float = 10.0
    # Higher tiers are stopped first, so that the services stop before the engines.
    tier: int = 1


def spawn(child: Child, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
    """Start the child in a new session, so that Ctrl-C at the terminal reaches only the parent.

    On Linux, the kernel sends the child its stop signal when the parent's thread ends. So no child is left running,
    even after a SIGKILL of the parent. On other systems, the next start stops a server that was left running.
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
        preexec_fn=_death_signal_setter(child.stop_signal),  # noqa: PLW1509 - one system call, prepared before the fork
    )


def request_stop(process: subprocess.Popen[bytes], child: Child) -> None:
    """Send the stop signal to the child only. The child stops its own children."""
    if not has_ended(process):
        process.send_signal(child.stop_signal)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the child and every process of its group, and wait for the child's end."""
    # The kernel does not reuse the id of an unreaped child, so the signal cannot reach another group.
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Return whether the child has ended. If it has, also kill the other processes of its group."""
    if process.returncode is not None:
        return True
    if not hasattr(os, "waitid"):  # macOS: the other processes of the group keep running
        return process.poll() is not None
    if os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
        return False
    kill_group(process)
    return True


def stop(process: subprocess.Popen[bytes], child: Child) -> None:
    """Send the stop signal, wait up to the child's grace period, then kill its process group."""
    request_stop(process, child)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(child.grace_seconds)
    kill_group(process)


def _death_signal_setter(stop_signal: signal.Signals) -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def set_death_signal() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(stop_signal))
        if os.getppid() != parent:
            os._exit(1)  # the parent ended before the call above

    return set_death_signal
