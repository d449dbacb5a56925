"""A worker that is up and connected, and takes nothing: it notices by itself, ends, and another is started."""

import time

import pytest

from config.celery import IMPORTS
from tasks.app import app
from tests.faults.processes import until
from tests.faults.scene import Scene, longest


@pytest.mark.long
def test_a_worker_that_has_gone_deaf_is_started_again_and_work_goes_on_within_half_a_minute(
    scene: Scene, is_long: bool
) -> None:
    times, recoveries, plant = 5 if is_long else 1, [], scene.plant
    before = plant.gone_deaf()
    with scene.trial("importer stalled: running, connected, reading nothing", times=times) as result:
        for _ in range(times):
            deaf, since = plant.leader("importer"), time.monotonic()
            app.control.cancel_consumer(IMPORTS)
            # Not seen by what is imported: the turn that was under way goes on for a moment.
            until(lambda deaf=deaf: plant.leader("importer") != deaf, 30, "another importer runs")
            scene.recovery()
            recoveries.append(time.monotonic() - since)
            assert recoveries[-1] < 30
        result.recovery_seconds = longest(recoveries)
    assert plant.gone_deaf() == before + times
