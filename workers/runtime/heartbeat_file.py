"""The heartbeat file of a process, which holds the time of its last progress.

The probe of the container reads this file.

A file needs no server, so a process can report that it works while Redis and PostgreSQL are down. Times are in
monotonic seconds, which all processes of a machine share, so changes of the system clock have no effect. This module
imports no library, because a container starts a probe every few seconds.
"""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from config.processes import is_running

_READY, _NOT_READY = "ready", "waiting"


class Heartbeat(NamedTuple):
    """The heartbeat of a process: the monotonic time of its last progress in seconds, and whether it can work now."""

    pid: int
    progress_seconds: float
    is_ready: bool


def write_heartbeat(home: Path, service: str, heartbeat: Heartbeat) -> None:
    """Write the heartbeat of a process to `run/SERVICE-PID.heartbeat`, atomically. Raises OSError."""
    path = _heartbeat_path(home, service, heartbeat.pid)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_suffix(".new")
    # Unrounded: a time that is rounded up lies in the future of the next probe.
    temporary.write_text(f"{heartbeat.progress_seconds!r} {_READY if heartbeat.is_ready else _NOT_READY}\n")
    temporary.replace(path)


def read_heartbeats(home: Path, service: str) -> list[Heartbeat]:
    """Return the heartbeats of the running processes of a service in this home directory."""
    found = []
    for path, pid in _files(home, service):
        with contextlib.suppress(FileNotFoundError):  # the process has just ended
            progress, state = path.read_text().split()
            if is_running(pid):
                found.append(Heartbeat(pid, float(progress), is_ready=state == _READY))
    return found


def remove_heartbeat(home: Path, service: str) -> None:
    """Remove the heartbeat file of this process if it exists. Raises OSError."""
    _heartbeat_path(home, service, os.getpid()).unlink(missing_ok=True)


def remove_ended(home: Path, service: str) -> None:
    """Remove the heartbeat files that ended processes have left behind, for example after SIGKILL.

    Raises OSError.
    """
    for path, pid in _files(home, service):
        if not is_running(pid):
            path.unlink(missing_ok=True)


def _heartbeat_path(home: Path, service: str, pid: int) -> Path:
    return home / "run" / f"{service}-{pid}.heartbeat"


def _files(home: Path, service: str) -> Iterator[tuple[Path, int]]:
    """Yield the heartbeat file and the process id of each process of a service."""
    for path in sorted((home / "run").glob(f"{service}-*.heartbeat")):
        yield path, int(path.stem.rpartition("-")[2])
