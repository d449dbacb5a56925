"""The reliability page states the results of the runs and nothing else."""

from tests.faults.report import page_text

RESULT_ROW = {
    "fault": "a fault",
    "times": 20,
    "events": 3_902,
    "lost": 0,
    "doubled": 0,
    "recovery_seconds": 1.5,
    "note": "",
    "cores": 2,
    "at": "2026-10-05T10:00:00+00:00",
}


def test_result_table_lists_other_systems_last() -> None:
    other = RESULT_ROW | {
        "fault": "For comparison: plain tasks",
        "lost": 7,
        "recovery_seconds": None,
        "note": "other",
    }

    written = page_text([other, RESULT_ROW], None).splitlines()

    rows = [line for line in written if line.startswith("| ") and "events" not in line]
    assert rows == [
        "| a fault | 20 | 3,902 | 0 | 0 | 1.5 s |  |",
        "| For comparison: plain tasks | 20 | 3,902 | 7 | 0 |  | other |",
    ]
    assert "Measured 2026-10-05 to 2026-10-05." in written
    assert not any("Soak" in line for line in written)


SOAK_RESULT = RESULT_ROW | {"minutes": "30", "rate": 200, "every": 20, "kinds": "a, b", "memory": "400 MB, 401 MB"}


def test_soak_result_states_its_load_and_faults() -> None:
    assert "30 minutes at 200 events a second, with a fault every 20 seconds: a, b." in page_text(
        [RESULT_ROW], SOAK_RESULT
    )


def test_parts_not_run_keep_their_previous_text() -> None:
    before = page_text([RESULT_ROW], SOAK_RESULT)

    assert page_text([], SOAK_RESULT, before) == page_text([RESULT_ROW], None, before) == before
    assert page_text([RESULT_ROW | {"times": 21}], SOAK_RESULT | {"times": 9}, before) == page_text(
        [RESULT_ROW | {"times": 21}], SOAK_RESULT | {"times": 9}
    )
