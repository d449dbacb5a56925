"""Beat sends each recurring task at its interval, even with a wrong clock. The number of its messages is limited."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from celery.beat import Scheduler

from config.celery import QUEUE_NAMES, celery_settings
from config.engines import Engines
from config.schedule import RECURRING
from tasks import enqueue, recurring
from tasks.app import app, close_app, make_app
from tasks.enqueue import WAITING_SECONDS_MAX, clear_enqueued, enqueue_once
from tasks.feed.clocks import ServerClock
from tasks.feed.heartbeat import SCHEDULER_HEARTBEAT_KEY, has_heartbeat
from tasks.resources import connect_redis
from workers.runtime.beat_scheduler import StatelessScheduler

pytestmark = pytest.mark.slow

TOTAL_MESSAGES_MAX = 6
HOUR, NOON = timedelta(hours=1), datetime(2026, 6, 10, 12, tzinfo=UTC)
TASKS_EVERY_MINUTE = [each.task for each in RECURRING if each.every == timedelta(minutes=1)]
TASKS_EVERY_FIVE_MINUTES = [each.task for each in RECURRING if each.every == timedelta(minutes=5)]


class BeatHarness:
    """A beat scheduler with an adjustable clock, and a simulated worker that takes messages from a real broker."""

    def __init__(self, redis_url, monkeypatch):
        self.now, self.feed = NOON, connect_redis(redis_url)
        engines = Engines.from_urls("postgresql+psycopg://nobody@127.0.0.1:1/none", redis_url)
        self.broker = connect_redis(engines.broker_url)
        self.progress = []
        monkeypatch.setattr("celery.schedules.schedule.now", lambda _: self.now)
        make_app(celery_settings(engines))
        self.restart()

    def restart(self):
        """Replace the scheduler with a new one that has no state."""
        self.scheduler = StatelessScheduler(app, feed=self.feed, broker=self.broker, on_progress=self.progress.append)

    def advance(self, seconds, *, worker_runs=True):
        """Advance the clock second by second, and return the names of the tasks that a worker took in this time."""
        taken = []
        for _ in range(seconds):
            self.now += timedelta(seconds=1)
            while self.scheduler.tick() <= 0:
                pass
            taken += self.take_messages() if worker_runs else []
        return taken

    def take_messages(self):
        """Take all messages as a worker does, and return the task names. Fail if a message has an expiry time."""
        headers = []
        for queue in QUEUE_NAMES:
            while message := self.broker.rpop(f"payments:{queue}"):
                headers.append(json.loads(message)["headers"])
                clear_enqueued(self.broker, headers[-1]["task"])
        assert [each["task"] for each in headers if each["expires"] is not None] == []
        assert all(each["celery_beat_task"] for each in headers)
        return [each["task"] for each in headers]

    def forget_waiting_messages(self):
        """Delete the markers of waiting messages, as Redis does after some time in production."""
        for key in self.broker.keys("payments:hint:*"):
            assert 0 < self.broker.ttl(key) <= WAITING_SECONDS_MAX
            self.broker.delete(key)

    def waiting_count(self):
        return {queue: self.broker.llen(f"payments:{queue}") for queue in QUEUE_NAMES}


@pytest.fixture
def beat_harness(redis_url, monkeypatch):
    """A beat scheduler on an empty broker and feed."""
    beat_harness = BeatHarness(redis_url, monkeypatch)
    with beat_harness.feed, beat_harness.broker:
        beat_without_messages(beat_harness)  # other tests leave messages
        yield beat_harness
        close_app()
        beat_without_messages(beat_harness)


def beat_without_messages(beat_harness):
    beat_harness.feed.flushdb()
    beat_harness.broker.flushdb()


def test_new_scheduler_sends_every_task_immediately(beat_harness):
    """A new scheduler sends every task first, so that frequent deployments do not skip nightly tasks."""
    everything = sorted(each.task for each in RECURRING)

    for _ in range(3):
        assert sorted(beat_harness.advance(1)) == everything
        beat_harness.restart()


def test_beat_sends_tasks_at_their_intervals(beat_harness):
    beat_harness.advance(1)

    assert sorted(beat_harness.advance(180)) == sorted(TASKS_EVERY_MINUTE * 3)
    taken = beat_harness.advance(600)
    assert {taken.count(each) for each in TASKS_EVERY_FIVE_MINUTES} == {2}


@pytest.mark.parametrize("step", [-HOUR, timedelta(seconds=-6), timedelta(seconds=6), HOUR], ids=str)
def test_beat_keeps_its_intervals_when_the_clock_is_set(beat_harness, step):
    beat_harness.advance(1)
    beat_harness.now += step
    beat_harness.advance(60)

    assert sorted(each for each in beat_harness.advance(180) if each in TASKS_EVERY_MINUTE) == sorted(
        TASKS_EVERY_MINUTE * 3
    )


def test_celerys_own_scheduler_stops_when_the_clock_is_set_back(beat_harness):
    plain = Scheduler(app)
    plain.producer, sent = None, []
    plain.apply_entry = lambda entry, producer: sent.append(entry.name)
    beat_harness.scheduler = plain
    beat_harness.advance(70)
    before, beat_harness.now = len(sent), beat_harness.now - HOUR
    beat_harness.advance(600)

    assert (before > 0, len(sent)) == (True, before)


def test_one_message_of_each_task_waits_while_no_worker_runs(beat_harness):
    beat_harness.advance(20, worker_runs=False)

    assert sorted(beat_harness.take_messages()) == sorted(each.task for each in RECURRING)


def test_two_schedulers_leave_one_message_of_each_task(beat_harness):
    first = beat_harness.scheduler
    beat_harness.advance(3, worker_runs=False)
    beat_harness.restart()
    beat_harness.advance(3, worker_runs=False)
    beat_harness.scheduler = first
    beat_harness.advance(10, worker_runs=False)

    assert sorted(beat_harness.take_messages()) == sorted(each.task for each in RECURRING)


def test_number_of_messages_is_limited_while_no_worker_runs_for_days(beat_harness, monkeypatch):
    monkeypatch.setattr(enqueue, "WAITING_MESSAGES_MAX", TOTAL_MESSAGES_MAX)
    for _ in range(3 * TOTAL_MESSAGES_MAX):
        beat_harness.forget_waiting_messages()
        beat_harness.advance(60, worker_runs=False)

    assert {queue: count for queue, count in beat_harness.waiting_count().items() if count > TOTAL_MESSAGES_MAX} == {}
    assert beat_harness.take_messages()
    assert set(TASKS_EVERY_MINUTE) <= set(beat_harness.advance(70))


def test_task_that_an_import_enqueued_is_not_sent_again(beat_harness):
    beat_harness.advance(1)
    enqueue_once(beat_harness.broker, TASKS_EVERY_MINUTE[0], headers={"celery_beat_task": True})
    beat_harness.advance(61, worker_runs=False)

    assert beat_harness.take_messages().count(TASKS_EVERY_MINUTE[0]) == 1


def test_scheduler_shows_that_it_runs(beat_harness):
    assert not has_heartbeat(beat_harness.feed, SCHEDULER_HEARTBEAT_KEY)
    beat_harness.advance(1)

    assert has_heartbeat(beat_harness.feed, SCHEDULER_HEARTBEAT_KEY)
    assert beat_harness.progress[-1]


def test_scheduler_outlives_an_outage_of_redis(beat_harness):
    beat_harness.scheduler._broker = beat_harness.scheduler._feed = connect_redis("redis://127.0.0.1:1")
    assert beat_harness.advance(6) == []
    # It still makes progress, and is not ready.
    assert beat_harness.progress[-1] is False
    beat_harness.scheduler._broker, beat_harness.scheduler._feed = beat_harness.broker, beat_harness.feed

    assert sorted(beat_harness.advance(60)) == sorted(TASKS_EVERY_MINUTE)


def test_tasks_without_success_are_late_after_three_intervals(beat_harness):
    def wait(seconds):  # instead of waiting, shorten what Redis has left to keep
        for key in beat_harness.feed.keys("payments:succeeded:*"):
            beat_harness.feed.expire(key, beat_harness.feed.ttl(key) - seconds)

    assert recurring.success_ages(beat_harness.feed) == {}
    beat_harness.advance(1)
    assert recurring.late_tasks(beat_harness.feed) == {}
    wait(250)
    assert sorted(each.task for each in recurring.late_tasks(beat_harness.feed)) == sorted(TASKS_EVERY_MINUTE)
    recurring.record_success(beat_harness.feed, TASKS_EVERY_MINUTE[0])
    recurring.record_success(beat_harness.feed, "canary.sing")
    beat_harness.advance(5)
    assert sorted(each.task for each in recurring.late_tasks(beat_harness.feed)) == sorted(TASKS_EVERY_MINUTE[1:])
    wait(4_000)
    assert len(recurring.late_tasks(beat_harness.feed)) >= len(RECURRING) - 1


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
    found = [number for number, (server, monotonic) in enumerate(readings) if clock.detect_setback(server, monotonic)]

    assert found == detected_at
