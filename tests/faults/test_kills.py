"""Processes are killed at random moments while events stream."""

import random
import time

from tests.faults.fault_injection import kill, kill_child
from tests.faults.trial import Trial, longest_seconds

VICTIMS = (
    "importer child",
    "importer child",
    "importer",
    "intake",
    "retrier",
    "scheduler",
    "backoffice",
    "backoffice child",
)


def test_killed_processes_lose_and_duplicate_nothing(trial: Trial, is_long_run: bool) -> None:
    kills, chance = 200 if is_long_run else 20, random.Random(7)
    recoveries = []
    with trial.run(
        "SIGKILL of a worker, its pool child, dispatcher, beat or back office", times=kills, events=kills * 150
    ) as result:
        for number in range(kills):
            name, _, is_child = chance.choice(VICTIMS).partition(" ")
            (kill_child if is_child else kill)(trial.stack, name)
            time.sleep(chance.uniform(0.0, 0.6))  # the time until the next kill
            if number % 10 == 9:
                recoveries.append(trial.measure_recovery())
        result.recovery_seconds = longest_seconds(recoveries)
