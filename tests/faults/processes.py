"""Read information about processes from /proc, and wait for conditions."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

POLL_SECONDS = 0.02
T = TypeVar("T")


def wait_for(condition: Callable[[], T], seconds_max: float, what: str) -> T:
    """Call `condition` until it returns a true value, and return this value.

    Raises AssertionError after `seconds_max`. `what` describes the condition in the message.
    """
    deadline = time.monotonic() + seconds_max
    while not (answer := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds_max} s: {what}")
        time.sleep(POLL_SECONDS)
    return answer


def children_of(pid: int) -> list[int]:
    """Return the running children of a process."""
    return [child for child, (parent, state) in _process_table().items() if parent == pid and state not in "ZX"]


def command_of(pid: int) -> str:
    return _read(pid, "cmdline").replace("\0", " ").strip()


def folder_of(pid: int) -> Path:
    """Return the working directory of a process."""
    try:
        return Path(f"/proc/{pid}/cwd").readlink()
    except OSError:  # it has ended
        return Path("/nowhere")


def is_alive(pid: int) -> bool:
    return _process_table().get(pid, (0, "X"))[1] not in "ZX"


def megabytes_of(pid: int) -> float:
    """Return the proportional set size (PSS) of a process in megabytes: its own memory and a part of shared memory."""
    found = [line.split()[1] for line in _read(pid, "smaps_rollup").splitlines() if line.startswith("Pss:")]
    return int(found[0]) / 1024 if found else 0.0


def _process_table() -> dict[int, tuple[int, str]]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _read(int(entry.name), "stat")):
            state, parent = stat.rpartition(")")[2].split()[:2]
            found[int(entry.name)] = (int(parent), state)
    return found


def _read(pid: int, what: str) -> str:
    try:
        return Path(f"/proc/{pid}/{what}").read_text(errors="replace")
    except OSError:  # it has ended
        return ""
