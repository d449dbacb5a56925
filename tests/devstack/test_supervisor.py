"""The supervisor and its child processes: restart, stop order, signals, output."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import structlog

from devstack import child_process
from devstack import supervisor as supervisor_module
from devstack.child_output import ChildOutput
from devstack.child_process import Child
from devstack.supervisor import RestartBackoff, Supervisor
from workers.runtime.config_errors import EXIT_MISCONFIGURED

pytestmark = pytest.mark.acceptance

TIMEOUT_SECONDS = 10.0

# Prints "up", waits for SIGTERM and prints "ended".
OBEDIENT_CODE = """
import signal, sys
def end(*_):
    print("ended", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
while True:
    signal.pause()
"""
STUBBORN_CODE = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"


class SupervisorUnderTest:
    """A supervisor and the output of its children."""

    def __init__(self, folder, **backoff):
        self.stream = io.StringIO()
        self.folder = folder
        self.supervisor = Supervisor(ChildOutput(folder, self.stream, "columns"), RestartBackoff(**backoff))

    def lines(self):
        return [tuple(part.strip() for part in line.split("|", 1)) for line in self.stream.getvalue().splitlines()]

    def poll_until(self, condition):
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not condition():
            assert time.monotonic() < deadline, self.lines()
            self.supervisor.poll(TIMEOUT_SECONDS)

    def poll_until_ended(self, pid):
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while is_running(pid):
            assert time.monotonic() < deadline
            self.supervisor.poll(0.01)

    def start(self, name, code, **options):
        self.supervisor.start(Child(name, (sys.executable, "-S", "-c", code), **options))
        self.poll_until(lambda: (name, "up") in self.lines())


@pytest.fixture
def default_sigint():
    """Handle SIGINT during a test. A shell that runs the tests in the background lets them ignore SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def supervised(tmp_path, default_sigint):
    under_test = SupervisorUnderTest(tmp_path / "log", initial_seconds=0.01)
    with under_test.supervisor:
        yield under_test


def test_killed_child_is_restarted(supervised):
    supervised.start("worker", "import os; print('up', flush=True); os.kill(os.getpid(), 9)")

    supervised.poll_until(lambda: supervised.lines().count(("worker", "up")) == 3)


SPAWN_ERRORS = {
    "no such program": OSError(errno.ENOENT, "No such file or directory"),
    "no processes left": BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"),
    "no memory left": OSError(errno.ENOMEM, "Cannot allocate memory"),
    "no permission": PermissionError(errno.EPERM, "Operation not permitted"),
    "failed before its program": subprocess.SubprocessError("Exception occurred in preexec_fn."),
}


def count_open_files():
    """Count the open files of this process."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


@pytest.mark.parametrize("error", SPAWN_ERRORS.values(), ids=SPAWN_ERRORS)
@pytest.mark.parametrize("at_first", [True, False], ids=["at the first start", "at a restart"])
def test_child_that_cannot_be_started_is_tried_again_and_stops_no_other(supervised, monkeypatch, error, at_first):
    errors = [error] * 3 if at_first else [None, *[error] * 3]
    opened = count_open_files()

    def spawn(child, output):
        if child.name == "worker" and errors and (failure := errors.pop(0)):
            raise failure
        return child_process.spawn(child, output)

    monkeypatch.setattr(supervisor_module, "spawn", spawn)
    supervised.start("other", OBEDIENT_CODE)
    with structlog.testing.capture_logs() as logs:
        supervised.start("worker", "print('up', flush=True)")
        supervised.poll_until(lambda: not errors and supervised.lines().count(("worker", "up")) >= 1 + (not at_first))

    reported = [entry for entry in logs if entry["event"] == "child_not_started"]
    assert [(entry["child"], entry["error"]) for entry in reported] == [("worker", str(error))] * 3
    delays = [entry["restart_in_seconds"] for entry in reported]
    assert delays == sorted(set(delays))
    assert supervised.supervisor.poll_running("other")
    supervised.supervisor.stop_all()
    assert count_open_files() <= opened + 2  # the log of each child


def test_restart_delay_doubles_up_to_a_maximum():
    backoff = RestartBackoff(initial_seconds=0.5, max_seconds=30.0)

    assert [backoff.delay_seconds(failures) for failures in (1, 2, 3, 7, 50)] == [0.5, 1.0, 2.0, 30.0, 30.0]


def test_misconfigured_child_is_not_restarted(supervised):
    supervised.start("flower", f"import sys; print('up', flush=True); sys.exit({EXIT_MISCONFIGURED})")

    supervised.poll_until(lambda: not supervised.supervisor.poll_running("flower"))
    supervised.supervisor.poll(0.05)

    assert supervised.lines() == [("flower", "up")]


def test_children_stop_in_reverse_order_and_by_tier(supervised):
    supervised.start("engine", OBEDIENT_CODE, tier=0)
    supervised.start("first", OBEDIENT_CODE, tier=1)
    supervised.start("second", OBEDIENT_CODE, tier=2)

    supervised.supervisor.stop_all()

    assert [name for name, text in supervised.lines() if text == "ended"] == ["second", "first", "engine"]


def test_child_that_ignores_its_signal_is_killed_after_its_grace_period(supervised):
    supervised.start("engine", OBEDIENT_CODE, tier=0)
    supervised.start("stubborn", STUBBORN_CODE, grace_seconds=0.1)

    supervised.supervisor.stop_all()

    assert supervised.lines()[-1] == ("engine", "ended")


def test_second_signal_shortens_the_grace_period(supervised, monkeypatch):
    monkeypatch.setattr("devstack.supervisor._HURRIED_GRACE_SECONDS", 0.05)
    supervised.start("stubborn", STUBBORN_CODE, grace_seconds=60)
    supervised.start("signals", OBEDIENT_CODE.replace("sys.exit(0)", "import os; os.kill(os.getppid(), signal.SIGINT)"))
    began = time.monotonic()

    os.kill(os.getpid(), signal.SIGTERM)
    supervised.supervisor.run()

    assert time.monotonic() - began < TIMEOUT_SECONDS


def test_process_group_of_an_ended_child_is_killed(supervised):
    leaves = "import subprocess, sys; p = subprocess.Popen(['sleep', '600']); print('up', p.pid, flush=True)"
    supervised.supervisor.start(Child("parent", (sys.executable, "-S", "-c", leaves)))
    supervised.poll_until(lambda: not any(w.process for w in supervised.supervisor._watched))

    supervised.poll_until_ended(int(supervised.lines()[0][1].removeprefix("up ")))


def is_running(pid):
    """Return whether the process `pid` is running. A zombie does not count."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


ORPHAN_CODE = """
import sys
from pathlib import Path
from devstack.child_process import Child
from devstack.child_output import ChildOutput
from devstack.supervisor import Supervisor

sleeper = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
with Supervisor(ChildOutput(Path(sys.argv[1]), sys.stdout, "columns")) as supervisor:
    supervisor.start(Child("orphan", (sys.executable, "-S", "-c", sleeper)))
    supervisor.run()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends orphans")
def test_children_do_not_outlive_a_killed_supervisor(supervised, tmp_path):
    supervised.supervisor.start(Child("supervisor", (sys.executable, "-c", ORPHAN_CODE, str(tmp_path))))
    supervised.poll_until(lambda: any(text.startswith("orphan") for _, text in supervised.lines()))
    orphan = next(int(text.split("|")[1]) for _, text in supervised.lines() if text.startswith("orphan"))

    os.kill(supervised.supervisor._watched[0].process.pid, signal.SIGKILL)

    supervised.poll_until_ended(orphan)


def test_output_is_also_written_to_a_file_of_each_child(supervised):
    supervised.start(
        "worker", OBEDIENT_CODE.replace('print("ended", flush=True)', 'print("no line end", end="", flush=True)')
    )

    supervised.supervisor.stop_all()

    assert (supervised.folder / "worker.log").read_text() == "up\nno line end\n"


def test_json_line_is_unchanged_and_plain_text_is_wrapped(tmp_path):
    stream = io.StringIO()
    output = ChildOutput(tmp_path, stream, "json")

    output.write("intake", b'{"event": "chunk_sent"}\npart')
    output.write("intake", b"ial\n{not json\n")
    output.close()

    ours, *wrapped = (json.loads(line) for line in stream.getvalue().splitlines())
    assert ours == {"event": "chunk_sent"}
    assert [(line["process"], line["event"]) for line in wrapped] == [("intake", "partial"), ("intake", "{not json")]


def test_log_file_is_rotated_at_its_size_limit(tmp_path, monkeypatch):
    monkeypatch.setattr("devstack.child_output._FILE_BYTES_MAX", 100)
    output = ChildOutput(tmp_path, io.StringIO(), "columns")

    for _ in range(100):
        output.write("worker", b"ten bytes\n")
    output.close()

    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 240
