"""Clocks that are set back: who notices it, and what goes on all the same."""

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
    """A beat with a clock that can be set, and a list of what it has sent."""

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

    def passes(self, seconds):
        """Let the clock go on for so long, and return what was sent meanwhile."""
        before = len(self.sent)
        for _ in range(seconds):
            self.now += timedelta(seconds=1)
            while self.scheduler.tick() <= 0:
                pass
        return self.sent[before:]


@pytest.fixture
def start(tmp_path, monkeypatch):
    """Start a beat; a later one goes on where the one before ended."""
    return lambda scheduler=SteadyScheduler: Beat(scheduler, tmp_path / "beat", monkeypatch)


def test_beat_sends_in_its_intervals(start):
    beat = start()

    assert beat.passes(16) == ["often"] * 3
    assert beat.passes(1_800).count("seldom") == 1


def test_beat_goes_on_when_the_clock_is_set_back(start):
    beat = start()
    beat.passes(16)
    beat.now -= HOUR

    assert beat.passes(16) == ["often"] * 3
    assert beat.passes(1_800).count("seldom") == 1


def test_beat_goes_on_after_a_start_under_a_clock_that_is_right_again(start):
    before = start()
    before.passes(16)
    before.scheduler.close()

    after = start()
    after.now -= HOUR

    assert after.passes(16) == ["often"] * 3


def test_celery_by_itself_would_send_nothing(start):
    beat = start(PersistentScheduler)
    beat.passes(16)
    beat.now -= HOUR

    assert beat.passes(600) == []


def test_it_is_the_one_that_beat_is_started_with():
    settings = celery_settings(Engines.named("postgresql+psycopg:///d", "redis://h"), read_settings({}))

    assert settings["beat_scheduler"] == f"{SteadyScheduler.__module__}:{SteadyScheduler.__qualname__}"


@pytest.mark.parametrize(
    ("shown", "noticed_at"),
    [
        ([(100_000, 0), (101_000, 1_000), (102_000, 2_000)], []),
        ([(100_000, 0), (3_700_000, 1_000), (3_701_000, 2_000)], []),
        ([(3_700_000, 0), (101_000, 1_000), (102_000, 2_000)], [1]),
        ([(100_000, 0), (100_500, 1_000), (101_000, 2_000), (102_000, 3_000)], []),
        ([(100_000, 0), (102_000, 5_000), (103_000, 6_000), (80_000, 7_000)], [1, 3]),
    ],
    ids=["even", "set forward", "set back", "slow", "twice"],
)
def test_a_servers_clock_that_loses_time_is_noticed_once(shown, noticed_at):
    clock = ServerClock()
    found = [number for number, (there, here) in enumerate(shown) if clock.was_set_back(there, here)]

    assert found == noticed_at
