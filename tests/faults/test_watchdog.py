"""A worker that is connected but takes no messages is ended by its watchdog and restarted."""

import time

import pytest

from config.celery import IMPORTS
from tasks.app import app
from tests.faults.processes import until
from tests.faults.trial import Trial, longest


@pytest.mark.long
def test_stalled_worker_is_restarted_within_half_a_minute(trial: Trial, is_long: bool) -> None:
    times, recoveries, stack = 5 if is_long else 1, [], trial.stack
    before = stack.stalled_workers()
    with trial.run("importer stalled: running, connected, reading nothing", times=times) as result:
        for _ in range(times):
            stalled, since = stack.wait_for_main_pid("importer"), time.monotonic()
            app.control.cancel_consumer(IMPORTS)
            # Imports do not show the stall, because the current time slice continues for a moment.
            until(lambda stalled=stalled: stack.wait_for_main_pid("importer") != stalled, 30, "another importer runs")
            trial.recovery()
            recoveries.append(time.monotonic() - since)
            assert recoveries[-1] < 30
        result.recovery_seconds = longest(recoveries)
    assert stack.stalled_workers() == before + times
