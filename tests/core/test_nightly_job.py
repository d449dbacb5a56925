"""The state of a nightly job: done, due, running or overdue."""

from datetime import UTC, date, datetime

import pytest

from payments.core.nightly_job import nightly_state

TENTH, NINTH = date(2026, 6, 10), date(2026, 6, 9)


@pytest.mark.parametrize(
    ("done", "hour", "is_running", "state"),
    [
        (TENTH, 9, False, "done"),
        (NINTH, 3, False, "due"),
        (NINTH, 3, True, "running"),
        (NINTH, 6, True, "running"),
        (NINTH, 7, True, "overdue"),
        (NINTH, 7, False, "overdue"),
    ],
)
def test_job_is_overdue_four_hours_after_its_night_began(done, hour, is_running, state):
    now = datetime(2026, 6, 10, hour, tzinfo=UTC)

    assert nightly_state(done, TENTH, now, is_running=is_running) == state
