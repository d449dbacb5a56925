"""Processes are killed at random moments, while events stream."""

import random
import time

from tests.faults.injuries import kill, kill_child
from tests.faults.scene import Scene, longest

VICTIMS = ("importer child", "importer child", "importer", "intake", "scheduler", "backoffice", "backoffice child")


def test_a_kill_of_any_process_at_any_moment_loses_and_doubles_nothing(scene: Scene, is_long: bool) -> None:
    kills, chance = 200 if is_long else 20, random.Random(7)
    recoveries = []
    with scene.trial(
        "SIGKILL of a worker, its pool child, dispatcher, beat or back office", times=kills, events=kills * 150
    ) as result:
        for number in range(kills):
            name, _, is_child = chance.choice(VICTIMS).partition(" ")
            (kill_child if is_child else kill)(scene.plant, name)
            time.sleep(chance.uniform(0.0, 0.6))  # the moment of the next kill is the point, not an event
            if number % 10 == 9:
                recoveries.append(scene.recovery())
        result.recovery_seconds = longest(recoveries)
