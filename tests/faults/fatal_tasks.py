"""Run a real service that can crash: in the task `crash`, and when it reads an event with FATAL_TEXT.

Run as `python -m tests.faults.fatal_tasks importer` instead of `python -m workers.importer`.
"""

import contextlib
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from celery.exceptions import SoftTimeLimitExceeded

from payments.contract import stream_entry
from payments.contract.event import Event, read_event
from tasks.app import app

FATAL_TEXT = b"the process that reads this event dies by "


def _raise_error() -> None:
    raise RuntimeError("as a test wants it")


def _run_out_of_memory() -> None:
    raise MemoryError


def _ignore_the_soft_limit() -> None:
    with contextlib.suppress(SoftTimeLimitExceeded):
        time.sleep(30)
    time.sleep(30)


CRASH_BY_NAME: dict[str, Callable[[], object]] = {
    "exception": _raise_error,
    "sys.exit": lambda: sys.exit(1),
    "MemoryError": _run_out_of_memory,
    "soft time limit": lambda: time.sleep(30),
    "hard time limit": _ignore_the_soft_limit,
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGTERM": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "os._exit": lambda: os._exit(1),
}


@app.task(name="payments.die")
def crash(*, how: str, note: str, **_future: object) -> None:
    """Append `how` to the file `note`, and then crash in the way that `how` names."""
    with Path(note).open("a") as file:
        file.write(f"{how}\n")
    CRASH_BY_NAME[how]()


def read_or_crash(body: bytes) -> Event:
    """Read an event as Billing does. If the event contains FATAL_TEXT and a name of a crash, crash in this way."""
    for how, die_so in CRASH_BY_NAME.items():
        if FATAL_TEXT + how.encode() in body:
            die_so()
    return read_event(body)


if __name__ == "__main__":
    stream_entry.read_event = read_or_crash  # type: ignore[attr-defined]
    runpy.run_module(f"workers.{sys.argv[1]}", run_name="__main__")
