"""Run `payments ...` commands in forked processes.

The fork server has imported all modules, because imports take longer than most commands. Only `Stack` and the README
tour run the installed program.
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
IMPORTED_FOLDERS = ("config", "console", "emr", "payments/core", "payments/journeys", "payments/store", "tasks")


def run(
    arguments: Sequence[str], environment: Mapping[str, str], stdin: bytes = b""
) -> subprocess.CompletedProcess[str]:
    """Run a command in a forked process, and return its status and output."""
    with (
        tempfile.TemporaryFile() as stdin_file,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        tempfile.TemporaryFile() as request,
    ):
        stdin_file.write(stdin)
        request.write(json.dumps({"arguments": arguments, "environment": dict(environment)}).encode())
        for file in (stdin_file, request):
            file.seek(0)
        our_end, their_end = socket.socketpair()
        with our_end:
            with their_end:
                files = (stdin_file, out, err, request, their_end)
                socket.send_fds(_fork_server(), [b"1"], [file.fileno() for file in files])
            status = our_end.recv(16)  # empty if the command was killed
        for file in (out, err):
            file.seek(0)
        output = [file.read().decode() for file in (out, err)]
    return subprocess.CompletedProcess(["payments", *arguments], int(status or -signal.SIGKILL), *output)


@cache
def _fork_server() -> socket.socket:
    """Start the fork server, and return a socket to it. The server ends when every copy of the socket is closed."""
    our_end, their_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with their_end:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.acceptance.commands", str(their_end.fileno())],
            cwd=ROOT,
            pass_fds=[their_end.fileno()],
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    atexit.register(process.wait)
    atexit.register(our_end.close)  # runs first: atexit functions run in reverse order
    return our_end


def serve_forks(requests: socket.socket) -> None:
    """Fork a process for each requested command, until the other end of the socket is closed."""
    for folder in IMPORTED_FOLDERS:
        for path in sorted((ROOT / folder).glob("*.py")):
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    main.command()
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the command itself reports its status
    while True:
        request, files, _, _ = socket.recv_fds(requests, 1, 5)
        if not request:
            return
        if os.fork() == 0:
            requests.close()
            _run_command(*files)
        for file in files:
            os.close(file)


def _run_command(stdin_file: int, out: int, err: int, request_file: int, reply: int) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    with os.fdopen(request_file) as file:
        request = json.load(file)
    for number, file_ in enumerate((stdin_file, out, err)):
        os.dup2(file_, number)
    os.environ.clear()
    os.environ.update(request["environment"])
    status = 70
    try:
        status = main.run(request["arguments"])
    except BaseException:  # noqa: BLE001 (Python would print the traceback at exit)
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os.write(reply, str(status).encode())
        os._exit(0)


if __name__ == "__main__":
    serve_forks(socket.socket(fileno=int(sys.argv[1])))
