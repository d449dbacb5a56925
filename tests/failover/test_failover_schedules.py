"""The schedules of the failover tests, and the section of reliability.md that reports the results."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta

from tests.failover.failover_faults import seeded_schedule
from tests.failover.pauses import longest_pauses
from tests.failover.report import replace_section, section_text
from tests.faults.report import FAILOVER_BEGIN, FAILOVER_END, page_text
from tests.faults.test_report import RESULT_ROW, SOAK_RESULT

FAULT_BY_NAME = dict.fromkeys("abcde", lambda _: nullcontext())
BEGAN_AT = datetime(2026, 10, 5, 10, tzinfo=UTC)
KEPT_RESULT = {
    "events": 4_000,
    "lost": 0,
    "doubled": 0,
    "faults": [{"fault": "a", "longest_seconds": 2.0}, {"fault": "b", "longest_seconds": 28.5}],
    "plain_celery": {"published": 900, "lost": 7, "doubled": 3, "pauses": [4.0, 31.0]},
    "at": "2026-10-05T10:00:00+00:00",
}


def test_schedule_is_determined_by_its_seed() -> None:
    assert seeded_schedule(FAULT_BY_NAME, 7, 3) == seeded_schedule(FAULT_BY_NAME, 7, 3)


def test_successive_schedules_inject_every_fault_before_one_repeats() -> None:
    names = [name for seed in range(10) for name in seeded_schedule(FAULT_BY_NAME, seed, 3)]

    assert all(set(names[first : first + 5]) == set("abcde") for first in range(0, len(names), 5))


def test_pause_lasts_from_the_fault_to_the_next_import() -> None:
    def moment(seconds: int) -> datetime:
        return BEGAN_AT + timedelta(seconds=seconds)

    assert longest_pauses(
        [moment(-5), moment(12), moment(13), moment(40)],
        [BEGAN_AT, moment(20)],
        moment(45),
    ) == [12, 20]


def test_section_states_the_median_and_the_longest_pause() -> None:
    text = section_text([KEPT_RESULT, KEPT_RESULT | {"plain_celery": None}], rate=200, ttl=20, celery_rate=50)
    words = " ".join(text.split())

    assert "2 schedules with 4 faults and 8,000 events: lost 0, duplicated 0" in words
    assert "| b | 2 | 28.5 s | 28.5 s | 31.0 s | 31.0 s |" in text
    assert "in 1 of these schedules with 900 tasks: lost 7, duplicated 3" in words
    assert "15.2 s in the median, 28.5 s at most" in words


def test_failover_section_is_replaced_and_survives_a_new_fault_report() -> None:
    before = page_text([RESULT_ROW], SOAK_RESULT)
    once = replace_section(before, "first\n")

    assert replace_section(once, "second\n") == once.replace("first", "second")
    assert page_text([RESULT_ROW], SOAK_RESULT, once) == page_text([], None, once) == once
    assert once.count(FAILOVER_BEGIN) == once.count(FAILOVER_END) == 1
