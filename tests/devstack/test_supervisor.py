import io
import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from devstack.child_output import ChildOutput
from devstack.child_process import Child
from devstack.supervisor import RestartBackoff, Supervisor
from workers.runtime.config_errors import EXIT_MISCONFIGURED

PATIENCE_SECONDS = 10.0

# Says its name, waits for the signal to end, and says that it got it.
OBEDIENT = """
import signal, sys
def end(*_):
    print("ended", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("up", flush=True)
while True:
    signal.pause()
"""
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"


class Bench:
    """A supervisor under test and what came out of it."""

    def __init__(self, folder, **backoff):
        self.stream = io.StringIO()
        self.folder = folder
        self.supervisor = Supervisor(ChildOutput(folder, self.stream, "columns"), RestartBackoff(**backoff))

    def said(self):
        return [tuple(part.strip() for part in line.split("|", 1)) for line in self.stream.getvalue().splitlines()]

    def turn_until(self, so):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not so():
            assert time.monotonic() < deadline, self.said()
            self.supervisor.poll(PATIENCE_SECONDS)

    def turn_until_ended(self, stranger):
        deadline = time.monotonic() + PATIENCE_SECONDS
        while lives(stranger):
            assert time.monotonic() < deadline
            self.supervisor.poll(0.01)

    def start(self, name, code, **how):
        self.supervisor.start(Child(name, (sys.executable, "-S", "-c", code), **how))
        self.turn_until(lambda: (name, "up") in self.said())


@pytest.fixture
def hears_the_keyboard():
    """Take SIGINT even where the shell that started the tests in its background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def bench(tmp_path, hears_the_keyboard):
    made = Bench(tmp_path / "log", initial_seconds=0.01)
    with made.supervisor:
        yield made


def test_a_child_that_dies_is_started_again(bench):
    bench.start("worker", "import os; print('up', flush=True); os.kill(os.getpid(), 9)")

    bench.turn_until(lambda: bench.said().count(("worker", "up")) == 3)


def test_each_restart_waits_twice_as_long_up_to_a_bound():
    backoff = RestartBackoff(initial_seconds=0.5, max_seconds=30.0)

    assert [backoff.delay_seconds(failures) for failures in (1, 2, 3, 7, 50)] == [0.5, 1.0, 2.0, 30.0, 30.0]


def test_a_child_whose_settings_are_wrong_is_not_started_again(bench):
    bench.start("flower", f"import sys; print('up', flush=True); sys.exit({EXIT_MISCONFIGURED})")

    bench.turn_until(lambda: not bench.supervisor.is_running("flower"))
    bench.supervisor.poll(0.05)

    assert bench.said() == [("flower", "up")]


def test_children_stop_in_reverse_order_and_a_lower_tier_outlives_a_higher(bench):
    bench.start("engine", OBEDIENT, tier=0)
    bench.start("first", OBEDIENT, tier=1)
    bench.start("second", OBEDIENT, tier=2)

    bench.supervisor.stop_all()

    assert [name for name, text in bench.said() if text == "ended"] == ["second", "first", "engine"]


def test_a_child_that_ignores_the_signal_is_killed_after_its_grace(bench):
    bench.start("engine", OBEDIENT, tier=0)
    bench.start("stubborn", STUBBORN, grace_seconds=0.1)

    bench.supervisor.stop_all()

    assert bench.said()[-1] == ("engine", "ended")


def test_a_signal_ends_the_run_and_a_second_one_hurries(bench, monkeypatch):
    monkeypatch.setattr("devstack.supervisor._HURRIED_GRACE_SECONDS", 0.05)
    bench.start("stubborn", STUBBORN, grace_seconds=60)
    bench.start("impatient", OBEDIENT.replace("sys.exit(0)", "import os; os.kill(os.getppid(), signal.SIGINT)"))
    began = time.monotonic()

    os.kill(os.getpid(), signal.SIGTERM)
    bench.supervisor.run()

    assert time.monotonic() - began < PATIENCE_SECONDS


def test_what_a_dead_child_leaves_in_its_group_dies_with_it(bench):
    leaves = "import subprocess, sys; p = subprocess.Popen(['sleep', '600']); print('up', p.pid, flush=True)"
    bench.supervisor.start(Child("parent", (sys.executable, "-S", "-c", leaves)))
    bench.turn_until(lambda: not any(w.process for w in bench.supervisor._watched))

    bench.turn_until_ended(int(bench.said()[0][1].removeprefix("up ")))


def lives(pid):
    """Whether that process runs; one that has ended and is not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


ORPHANED = """
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


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends orphans on Linux alone")
def test_children_do_not_outlive_a_supervisor_that_is_killed(bench, tmp_path):
    bench.supervisor.start(Child("supervisor", (sys.executable, "-c", ORPHANED, str(tmp_path))))
    bench.turn_until(lambda: any(text.startswith("orphan") for _, text in bench.said()))
    orphan = next(int(text.split("|")[1]) for _, text in bench.said() if text.startswith("orphan"))

    os.kill(bench.supervisor._watched[0].process.pid, signal.SIGKILL)

    bench.turn_until_ended(orphan)


def test_output_goes_to_a_file_of_each_child_as_well(bench):
    bench.start("worker", OBEDIENT.replace('print("ended", flush=True)', 'print("no line end", end="", flush=True)'))

    bench.supervisor.stop_all()

    assert (bench.folder / "worker.log").read_text() == "up\nno line end\n"


def test_json_passes_as_it_is_and_plain_text_is_wrapped(tmp_path):
    stream = io.StringIO()
    output = ChildOutput(tmp_path, stream, "json")

    output.take("intake", b'{"event": "chunk_sent"}\npart')
    output.take("intake", b"ial\n{not json\n")
    output.close()

    ours, *wrapped = (json.loads(line) for line in stream.getvalue().splitlines())
    assert ours == {"event": "chunk_sent"}
    assert [(line["process"], line["event"]) for line in wrapped] == [("intake", "partial"), ("intake", "{not json")]


def test_a_log_file_is_kept_to_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr("devstack.child_output._FILE_BYTES_MAX", 100)
    output = ChildOutput(tmp_path, io.StringIO(), "columns")

    for _ in range(100):
        output.take("worker", b"ten bytes\n")
    output.close()

    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 240
