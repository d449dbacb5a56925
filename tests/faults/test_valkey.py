"""Redis goes away, stands still, hangs up and is full, while events stream."""

import signal
import time

import pytest

from tests.faults.injuries import cut_redis_three_times, fill_memory, kill, stand_still
from tests.faults.processes import until
from tests.faults.scene import Scene, longest


def test_a_valkey_that_is_killed_comes_back_with_everything_that_it_confirmed(scene: Scene, is_long: bool) -> None:
    times, recoveries = 10 if is_long else 1, []
    with scene.trial("SIGKILL of Valkey, restarted on its append-only file", times=times, events=times * 800) as result:
        for _ in range(times):
            time.sleep(0.5)
            kill(scene.plant, "valkey")
            recoveries.append(scene.recovery())
        result.recovery_seconds = longest(recoveries)


def test_when_every_connection_is_cut_again_and_again_work_goes_on(scene: Scene, is_long: bool) -> None:
    rounds, recoveries = 20 if is_long else 1, []
    with scene.trial("all Redis connections cut 3 times in 2 s", times=rounds, events=rounds * 600) as result:
        for _ in range(rounds):
            cut_redis_three_times(scene.plant)
            recoveries.append(scene.recovery())
            assert recoveries[-1] < 30
            heard_from_both(scene)
        result.recovery_seconds = longest(recoveries)


@pytest.mark.long
def test_a_full_memory_stops_the_publisher_and_loses_nothing(scene: Scene) -> None:
    recoveries = []
    with scene.trial("Valkey's memory full, noeviction, for 5 s", times=3) as result:
        for _ in range(3):
            fill_memory(scene.plant, 5)
            recoveries.append(scene.recovery())
        heard_from_both(scene)
        result.recovery_seconds = longest(recoveries)
    assert "published again" in result.note, "nothing was refused"


@pytest.mark.long
def test_a_valkey_that_stands_still_for_a_minute_is_waited_for(scene: Scene) -> None:
    times, recoveries, before = 3, [], scene.plant.gone_deaf()
    with scene.trial("Valkey stopped for 60 s (SIGSTOP)", times=times) as result:
        for _ in range(times):
            stand_still(scene.plant, "valkey", 60)
            recoveries.append(scene.recovery())
            heard_from_both(scene)
        result.recovery_seconds = longest(recoveries)
        result.note = f"stalled workers restarted: {scene.plant.gone_deaf() - before}"


@pytest.mark.long
def test_a_valkey_that_stands_still_for_a_moment_is_waited_for(scene: Scene) -> None:
    recoveries = []
    with scene.trial("Valkey stopped for 3 s (SIGSTOP)", times=5) as result:
        for _ in range(5):
            stand_still(scene.plant, "valkey", 3)
            recoveries.append(scene.recovery())
            heard_from_both(scene)
        result.recovery_seconds = longest(recoveries)


def test_an_emptied_broker_costs_seconds_and_no_payment(scene: Scene, is_long: bool) -> None:
    times, recoveries = 20 if is_long else 1, []
    with scene.trial("FLUSHDB of the broker while tasks are queued", times=times, events=times * 700) as result:
        for _ in range(times):
            worker = scene.plant.leader("importer")
            scene.plant.signal(worker, signal.SIGSTOP)  # so that something is queued
            until(lambda: scene.plant.broker.llen("payments:imports"), 10, "a task is queued")
            started, newest = time.monotonic(), scene.plant.newest()
            scene.plant.broker.flushdb()
            scene.plant.signal(worker, signal.SIGCONT)
            # Nobody is told any more of what was on the feed by now.
            until(lambda at=newest: scene.plant.is_past(at), 60, "what was on the feed is imported")
            recoveries.append(time.monotonic() - started)
        result.recovery_seconds = longest(recoveries)


def heard_from_both(scene: Scene) -> None:
    """Both workers take a message and answer it, within the time in which work has to go on."""
    for queue in ("imports", "findings"):
        scene.canary(queue, 30)
