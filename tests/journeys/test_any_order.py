"""Whatever comes in whatever order, while months close and money moves between charges, patients and refunds."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from payments.store.db.connection import Database
from tests.examples import example_count
from tests.journeys.any_office import AnyOrder

EXAMPLES = example_count(4)
PARTS = max(1, EXAMPLES // 250)  # so that several processes can share a long run


@pytest.mark.parametrize("part", range(PARTS))
def test_closed_totals_stay_and_every_line_ends_where_its_newest_version_says(database: Database, part: int) -> None:
    AnyOrder.database = database
    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=EXAMPLES // PARTS,
            stateful_step_count=16,
            suppress_health_check=[HealthCheck.filter_too_much],
        ),
    )
