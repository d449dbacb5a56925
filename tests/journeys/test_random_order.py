"""The invariants hold for events in any order, while months are closed and payments are applied."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from payments.store.db.connection import Database
from tests.examples import example_count
from tests.journeys.money_state_machine import MoneyStateMachine
from tests.journeys.office_state_machine import OfficeStateMachine

EXAMPLES = example_count(4)
PART_COUNT = max(1, EXAMPLES // 250)  # lets several processes share a long run


@pytest.mark.slow
@pytest.mark.parametrize("machine", [OfficeStateMachine, MoneyStateMachine])
@pytest.mark.parametrize("part", range(PART_COUNT))
def test_closed_totals_stay_and_lines_match_their_newest_version(
    database: Database, part: int, machine: type[OfficeStateMachine]
) -> None:
    machine.database = database
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES // PART_COUNT,
            stateful_step_count=16,
            suppress_health_check=[HealthCheck.filter_too_much],
        ),
    )
