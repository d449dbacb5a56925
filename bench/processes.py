"""Read the CPU seconds and memory of processes from /proc."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Process:
    """A process of this machine. `cpu_seconds` includes the time of its children that have ended."""

    pid: int
    parent: int
    group: int
    cpu_seconds: float
    largest_memory_bytes: int


def every_process() -> list[Process]:
    """Return all processes of the machine."""
    folders = (folder for folder in Path("/proc").iterdir() if folder.name.isdecimal())
    return [process for folder in folders if (process := _read_process(folder))]


def cpu_seconds(leaders: Iterable[int], processes: list[Process]) -> float:
    """Return the sum of the CPU seconds of the `leaders` and of all their descendants."""
    family = set(leaders)
    for process in sorted(processes, key=lambda process: process.pid):
        if process.parent in family:
            family.add(process.pid)
    return sum(process.cpu_seconds for process in processes if process.pid in family)


def largest_memory_bytes(leaders: Iterable[int], processes: list[Process]) -> int:
    """Return the resident memory of the largest process among the `leaders` and their children, in bytes."""
    pids = set(leaders)
    return max(process.largest_memory_bytes for process in processes if pids & {process.pid, process.parent})


def server_pid(folder: Path, processes: list[Process]) -> int:
    """Return the process id of the server whose working directory is `folder`."""
    here = {process.pid: process.parent for process in processes if _has_working_directory(process.pid, folder)}
    return next(pid for pid, parent in here.items() if parent not in here)


def _has_working_directory(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder.resolve()
    except OSError:
        return False


def _read_process(folder: Path) -> Process | None:
    try:
        # The name is in parentheses and may contain any character. The numeric fields follow it.
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    used = sum(map(int, fields[11:15])) / _TICKS_A_SECOND
    return Process(int(folder.name), int(fields[1]), int(fields[2]), used, int(fields[21]) * _PAGE_BYTES)
