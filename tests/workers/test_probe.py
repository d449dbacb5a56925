"""The probe reads the heartbeat files in the home directory of its container. The probe connects to no server."""

import os
import time
from itertools import count
from types import SimpleNamespace

import pytest
from kombu.asynchronous.timer import Timer

from workers import probe
from workers.runtime.heartbeat_file import Heartbeat, read_heartbeats, write_heartbeat
from workers.runtime.heartbeat_writer import HeartbeatWriter, open_heartbeat
from workers.runtime.worker_heartbeat import REQUEST_SECONDS_MAX, STILL_SECONDS, WorkerProgress

ENDED_PID = 2**22 + 1  # above the largest pid of Linux


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("PAYMENTS_HOME", str(tmp_path))
    return tmp_path


def write_heartbeat_file(home, *, age_seconds=0.0, is_ready=True, pid=None, service="importer"):
    write_heartbeat(home, service, Heartbeat(pid or os.getpid(), time.monotonic() - age_seconds, is_ready))


@pytest.mark.parametrize(
    ("age_seconds", "is_ready", "options", "status"),
    [
        (0, True, [], 0),
        (0, False, [], 0),
        (0, False, ["--ready"], 1),
        (0, True, ["--ready"], 0),
        (89, True, [], 0),
        (91, True, [], 1),
        (5, True, ["--max-age", "4"], 1),
        # The machine was started again, so the monotonic clock began again.
        (-3_600, True, [], 1),
    ],
)
def test_probe_fails_if_the_progress_is_old_or_readiness_is_missing(home, age_seconds, is_ready, options, status):
    write_heartbeat_file(home, age_seconds=age_seconds, is_ready=is_ready)

    assert probe.main(["importer", *options]) == status


def test_probe_fails_without_a_process(home, capsys):
    assert probe.main(["importer"]) == 1
    assert capsys.readouterr().err == f"importer: no process has a heartbeat file in {home / 'run'}\n"


def test_probe_ignores_ended_processes_and_other_services(home):
    write_heartbeat_file(home, age_seconds=500, pid=ENDED_PID)
    write_heartbeat_file(home, age_seconds=500, service="retrier")
    write_heartbeat_file(home)

    assert [probe.main([name]) for name in ("importer", "retrier")] == [0, 1]
    assert probe.main(["importer", "retrier"]) == 1


def test_probe_fails_if_one_of_two_processes_makes_no_progress(home):
    write_heartbeat_file(home)
    write_heartbeat_file(home, age_seconds=500, pid=os.getppid())

    assert probe.main(["importer"]) == 1


def test_probe_reads_the_exact_time_of_the_progress(home, monkeypatch):
    monkeypatch.setattr("time.monotonic", lambda: 1_000.000_6)
    write_heartbeat_file(home)

    assert probe.main(["importer"]) == 0


@pytest.mark.parametrize("step_seconds", [-86_400, 86_400])
def test_step_of_the_system_clock_changes_no_probe(home, monkeypatch, step_seconds):
    clock = time.time
    write_heartbeat_file(home)
    monkeypatch.setattr("time.time", lambda: clock() + step_seconds)

    assert probe.main(["importer"]) == 0


def test_heartbeat_file_exists_while_the_process_runs(home):
    write_heartbeat_file(home, pid=ENDED_PID)
    with open_heartbeat(home, "importer") as heartbeat:
        heartbeat.beat(True)
        assert [each.pid for each in read_heartbeats(home, "importer")] == [os.getpid()]
        assert len(list((home / "run").iterdir())) == 1

    assert list((home / "run").iterdir()) == []


def test_heartbeat_is_written_once_a_second_and_when_readiness_changes(home, monkeypatch):
    writer, seconds = HeartbeatWriter(home, "intake"), count()
    monkeypatch.setattr("time.monotonic", lambda: next(seconds) / 4)

    def write_and_read(is_ready):
        writer.beat(is_ready)
        return (read_heartbeats(home, "intake")[0].progress_seconds, read_heartbeats(home, "intake")[0].is_ready)

    assert [write_and_read(True) for _ in range(6)] == [(0.0, True)] * 4 + [(1.0, True)] * 2
    assert write_and_read(False) == (1.5, False)


def test_process_continues_if_its_heartbeat_cannot_be_written(home, capsys):
    (home / "run").write_text("not a folder")
    with open_heartbeat(home, "importer") as heartbeat:
        heartbeat.beat(True)
        heartbeat.write(progress_seconds=1.0, is_ready=True)

    assert capsys.readouterr().out.count("heartbeat_file_not_written") == 1


class ObservedWorker:
    """A worker's progress, with a clock and a broker that the test controls."""

    def __init__(self, monkeypatch):
        self.now, self.is_broker_answering, self.pings = 0.0, True, 0
        monkeypatch.setattr("time.monotonic", lambda: self.now)
        self.progress = WorkerProgress()

    def observe(self, now, *requests):
        """Return the time of the worker's last progress, and whether the worker is ready."""
        self.now = now
        return self.progress.last_progress(requests, now, self._ping), self.progress.is_ready

    def _ping(self):
        self.pings += 1
        return self.is_broker_answering


@pytest.fixture
def observed_worker(monkeypatch):
    return ObservedWorker(monkeypatch)


def test_connected_worker_makes_progress_only_while_its_event_loop_runs(observed_worker):
    assert observed_worker.observe(100.0) == (100.0, False)

    observed_worker.progress.observe_loop(Timer())
    assert observed_worker.observe(102.0) == (100.0, True)
    assert observed_worker.pings == 0
    assert observed_worker.observe(150.0) == (100.0, True)
    observed_worker.progress.turn_loop()
    assert observed_worker.observe(151.0) == (150.0, True)
    observed_worker.progress.stop_observing_loop()
    assert observed_worker.observe(200.0) == (200.0, False)


def test_waiting_for_a_broker_that_does_not_answer_is_progress(observed_worker):
    stuck = SimpleNamespace(id="stuck")
    observed_worker.progress.observe_loop(Timer())
    observed_worker.is_broker_answering = False

    seen = [observed_worker.observe(float(now), stuck) for now in range(0, 600, 2)]

    assert all(now - last <= STILL_SECONDS for now, (last, _) in zip(range(0, 600, 2), seen, strict=True))
    assert {is_ready for _, is_ready in seen[2:]} == {False}
    # When the broker answers again, the worker has time to notice it.
    observed_worker.is_broker_answering = True
    assert 600 - observed_worker.observe(600.0, stuck)[0] <= 2 * STILL_SECONDS
    observed_worker.progress.turn_loop()
    assert observed_worker.observe(601.0, stuck) == (600.0, True)


def test_worker_makes_no_progress_while_a_message_is_never_finished(observed_worker):
    stuck, messages = SimpleNamespace(id="stuck"), (SimpleNamespace(id=str(number)) for number in count())
    observed_worker.progress.observe_loop(Timer())

    seen = []
    for now in range(400):
        observed_worker.now = float(now)
        observed_worker.progress.turn_loop()
        seen.append(observed_worker.observe(float(now), stuck, next(messages))[0])

    assert seen == [float(min(now, REQUEST_SECONDS_MAX)) for now in range(400)]
    observed_worker.progress.turn_loop()
    assert observed_worker.observe(400.0, next(messages)) == (399.0, True)
