"""Several of each at once, one that stands still and wakes again, one that is told to stop in the middle of work."""

import signal
import time

import pytest

from tests.faults.processes import children_of, is_alive, until
from tests.faults.scene import Scene, longest


@pytest.mark.long
def test_two_intakes_and_four_importers_share_the_feed(scene: Scene, is_long: bool) -> None:
    plant, events = scene.plant, 20_000 if is_long else 4_000
    more = [plant.add(name) for name in ("intake", "importer", "importer", "importer")]
    with scene.trial("2 intakes and 4 importers at once", times=1, events=events, rate=2_000) as result:
        until(lambda: all(children_of(each.pid) for each in more[1:]), 30, "all importers have their children")
        result.recovery_seconds = round(scene.recovery(), 1)
    for each in more:
        each.send_signal(signal.SIGTERM)
    assert [each.wait(20) for each in more] == [0, 0, 0, 0]


@pytest.mark.long
def test_a_worker_that_stands_still_past_its_lease_finds_its_work_done_by_another(scene: Scene, is_long: bool) -> None:
    times, recoveries = 10 if is_long else 1, []
    plant = scene.plant
    other = plant.add("importer")
    with scene.trial("worker frozen past its lease (SIGSTOP 8 s), then woken", times=times, events=1_500) as result:
        until(lambda: children_of(other.pid), 30, "the other importer has its child")
        for _ in range(times):
            frozen = [*plant.leaders("importer"), *plant.pool("importer")]
            for pid in frozen:
                plant.signal(pid, signal.SIGSTOP)
            recoveries.append(scene.recovery())
            time.sleep(8)
            for pid in frozen:
                plant.signal(pid, signal.SIGCONT)
        result.recovery_seconds = longest(recoveries)
    other.send_signal(signal.SIGTERM)
    assert other.wait(20) == 0


@pytest.mark.long
def test_a_worker_that_is_told_to_stop_ends_what_it_is_at_and_leaves_the_rest(scene: Scene, is_long: bool) -> None:
    times, recoveries = 20 if is_long else 2, []
    plant = scene.plant
    with scene.trial("SIGTERM in mid-chunk (warm shutdown)", times=times, events=times * 700, rate=1_000) as result:
        for _ in range(times):
            leader = plant.leader("importer")
            until(lambda leader=leader: children_of(leader), 30, "the importer has its child")
            plant.signal(leader, signal.SIGTERM)
            until(lambda leader=leader: not is_alive(leader), 15, "it has ended within its grace")
            recoveries.append(scene.recovery())
        result.recovery_seconds = longest(recoveries)
