"""A watchdog ends a worker that is connected but takes no messages. The supervisor restarts this worker."""

import time

import pytest

from config.celery import IMPORTS
from tasks.app import app
from tests.faults.processes import wait_for
from tests.faults.trial import Trial, longest_seconds


@pytest.mark.long
def test_stalled_worker_is_restarted_within_half_a_minute(trial: Trial, is_long_run: bool) -> None:
    times, recoveries, stack = 5 if is_long_run else 1, [], trial.stack
    before = stack.count_stalled_workers()
    with trial.run("importer stalled: running, connected, reading nothing", times=times) as result:
        for _ in range(times):
            stalled, since = stack.wait_for_main_pid("importer"), time.monotonic()
            app.control.cancel_consumer(IMPORTS)
            # Imports do not show the stall, because the current time slice continues for a moment.
            wait_for(
                lambda stalled=stalled: stack.wait_for_main_pid("importer") != stalled, 30, "another importer runs"
            )
            trial.measure_recovery()
            recoveries.append(time.monotonic() - since)
            assert recoveries[-1] < 30
        result.recovery_seconds = longest_seconds(recoveries)
    assert stack.count_stalled_workers() == before + times
