"""`payments ...` commands, each in a process of its own.

The process is forked from one with all imports, because importing takes longer than most commands. The installed
program itself runs the stacks and the tour of the README.
"""

import atexit
import gc
import importlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from console.cli import main

ROOT = Path(__file__).resolve().parents[2]
IMPORTED = ("config", "console", "emr", "payments/core", "payments/journeys", "payments/store", "tasks")


def run(
    arguments: Sequence[str], environment: Mapping[str, str], stdin: bytes = b""
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, whatever that is."""
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        tempfile.TemporaryFile() as asked,
    ):
        given.write(stdin)
        asked.write(json.dumps({"arguments": arguments, "environment": dict(environment)}).encode())
        for file in (given, asked):
            file.seek(0)
        ours, theirs = socket.socketpair()
        with ours:
            with theirs:
                socket.send_fds(_forks(), [b"1"], [file.fileno() for file in (given, out, err, asked, theirs)])
            status = ours.recv(16)  # nothing, where it was killed
        for file in (out, err):
            file.seek(0)
        told = [file.read().decode() for file in (out, err)]
    return subprocess.CompletedProcess(["payments", *arguments], int(status or -signal.SIGKILL), *told)


@cache
def _forks() -> socket.socket:
    """Start the process that forks, and return the way to it; it ends when nobody holds the other end any more."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.acceptance.commands", str(theirs.fileno())],
            cwd=ROOT,
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    atexit.register(process.wait)
    atexit.register(ours.close)  # the last that is registered is done first
    return ours


def fork_on_demand(demands: socket.socket) -> None:
    """Fork a process for each command that is asked for, until nobody can ask any more."""
    for folder in IMPORTED:
        for path in sorted((ROOT / folder).glob("*.py")):
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    main.command()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # who asked is told by the command itself
    while True:
        demand, files, _, _ = socket.recv_fds(demands, 1, 5)
        if not demand:
            return
        if os.fork() == 0:
            demands.close()
            _be_the_command(*files)
        for file in files:
            os.close(file)


def _be_the_command(given: int, out: int, err: int, asked: int, answer: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with os.fdopen(asked) as file:
        demand = json.load(file)
    for number, file_ in enumerate((given, out, err)):
        os.dup2(file_, number)
    os.environ.clear()
    os.environ.update(demand["environment"])
    status = 70
    try:
        status = main.run(demand["arguments"])
    except BaseException:  # noqa: BLE001 (what would be printed at the end of a process)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(answer, str(status).encode())
        os._exit(0)


if __name__ == "__main__":
    fork_on_demand(socket.socket(fileno=int(sys.argv[1])))
