"""Read the CPU seconds and memory of processes from /proc."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Process:
    """A process. `cpu_seconds` includes its children that have ended."""

    pid: int
    parent: int
    group: int
    cpu_seconds: float
    largest_memory_bytes: int


def every_process() -> list[Process]:
    """Return all processes of the machine."""
    folders = (folder for folder in Path("/proc").iterdir() if folder.name.isdecimal())
    return [process for folder in folders if (process := _read(folder))]


def cpu_seconds(leaders: Iterable[int], processes: list[Process]) -> float:
    """Return the total CPU seconds of these processes and their descendants."""
    family = set(leaders)
    for process in sorted(processes, key=lambda process: process.pid):
        if process.parent in family:
            family.add(process.pid)
    return sum(process.cpu_seconds for process in processes if process.pid in family)


def largest_memory_bytes(leaders: Iterable[int], processes: list[Process]) -> int:
    """Return the resident memory in bytes of the largest process among these and their children."""
    pids = set(leaders)
    return max(process.largest_memory_bytes for process in processes if pids & {process.pid, process.parent})


def server_pid(folder: Path, processes: list[Process]) -> int:
    """Return the process id of the server whose working directory is this folder."""
    here = {process.pid: process.parent for process in processes if _has_working_directory(process.pid, folder)}
    return next(pid for pid, parent in here.items() if parent not in here)


def _has_working_directory(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder.resolve()
    except OSError:
        return False


def _read(folder: Path) -> Process | None:
    try:
        # The name is in parentheses and may contain any character. The numeric fields follow it.
        fields = (folder / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    used = sum(map(int, fields[11:15])) / _TICKS
    return Process(int(folder.name), int(fields[1]), int(fields[2]), used, int(fields[21]) * _PAGE)
