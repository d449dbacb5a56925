"""Clocks that are set back: beat keeps its intervals, and a server's lost time is detected."""

from datetime import UTC, datetime, timedelta

import pytest
from celery import Celery
from celery.beat import PersistentScheduler

from config.celery import celery_settings
from config.engines import Engines
from config.settings import read_settings
from tasks.feed.clocks import ServerClock
from workers.runtime.beat_scheduler import SteadyScheduler

HOUR = timedelta(hours=1)


class Beat:
    """A beat scheduler with an adjustable clock, and a list of the tasks that it sent."""

    def __init__(self, scheduler, file, monkeypatch):
        self.now = datetime(2026, 6, 10, 15, tzinfo=UTC)
        self.sent = []
        monkeypatch.setattr("celery.schedules.schedule.now", lambda _: self.now)
        app = Celery("beat", set_as_current=False)
        app.conf.result_expires = None
        app.conf.beat_schedule = {
            "often": {"task": "often", "schedule": timedelta(seconds=5)},
            "seldom": {"task": "seldom", "schedule": timedelta(minutes=30)},
        }
        self.scheduler = scheduler(app, schedule_filename=str(file))
        self.scheduler.producer = None
        self.scheduler.apply_entry = lambda entry, producer: self.sent.append(entry.name)

    def advance(self, seconds):
        """Advance the clock second by second, and return the tasks that were sent."""
        before = len(self.sent)
        for _ in range(seconds):
            self.now += timedelta(seconds=1)
            while self.scheduler.tick() <= 0:
                pass
        return self.sent[before:]


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Return a function that starts a beat scheduler. A later one continues the schedule file of the earlier one."""
    started = []

    def start(scheduler=SteadyScheduler):
        started.append(Beat(scheduler, tmp_path / "beat", monkeypatch))
        return started[-1]

    yield start
    for beat in started:
        beat.scheduler._store.close()


def test_beat_sends_tasks_at_their_intervals(start):
    beat = start()

    assert beat.advance(16) == ["often"] * 3
    assert beat.advance(1_800).count("seldom") == 1


def test_beat_keeps_its_intervals_when_the_clock_is_set_back(start):
    beat = start()
    beat.advance(16)
    beat.now -= HOUR

    assert beat.advance(16) == ["often"] * 3
    assert beat.advance(1_800).count("seldom") == 1


def test_beat_keeps_its_intervals_when_it_starts_after_a_clock_correction(start):
    before = start()
    before.advance(16)
    before.scheduler.close()

    after = start()
    after.now -= HOUR

    assert after.advance(16) == ["often"] * 3


def test_scheduler_of_celery_stops_when_the_clock_is_set_back(start):
    beat = start(PersistentScheduler)
    beat.advance(16)
    beat.now -= HOUR

    assert beat.advance(600) == []


def test_configuration_names_the_steady_scheduler():
    settings = celery_settings(Engines.named("postgresql+psycopg:///d", "redis://h"), read_settings({}))

    assert settings["beat_scheduler"] == f"{SteadyScheduler.__module__}:{SteadyScheduler.__qualname__}"


@pytest.mark.parametrize(
    ("readings", "detected_at"),
    [
        ([(100_000, 0), (101_000, 1_000), (102_000, 2_000)], []),
        ([(100_000, 0), (3_700_000, 1_000), (3_701_000, 2_000)], []),
        ([(3_700_000, 0), (101_000, 1_000), (102_000, 2_000)], [1]),
        ([(100_000, 0), (100_500, 1_000), (101_000, 2_000), (102_000, 3_000)], []),
        ([(100_000, 0), (102_000, 5_000), (103_000, 6_000), (80_000, 7_000)], [1, 3]),
    ],
    ids=["even", "set forward", "set back", "slow", "twice"],
)
def test_server_clock_that_loses_time_is_detected_once(readings, detected_at):
    clock = ServerClock()
    found = [number for number, (server, monotonic) in enumerate(readings) if clock.was_set_back(server, monotonic)]

    assert found == detected_at
