"""What a run is told of the settings."""

from dataclasses import replace
from datetime import timedelta

import pytest

MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("wait_max", "ladder"),
    [
        (45 * MINUTE, (15 * MINUTE,) * 3),
        (40 * MINUTE, (15 * MINUTE, 15 * MINUTE, 10 * MINUTE)),
        (MINUTE, (MINUTE,)),
    ],
)
def test_a_patient_is_looked_for_again_and_again_and_waited_for_just_as_long_as_is_said(here, wait_max, ladder):
    said = {"patient_recheck": 15 * MINUTE, "patient_wait_max": wait_max}

    assert replace(here, settings=here.settings.model_copy(update=said)).run().patient_ladder == ladder
