from datetime import UTC, datetime

import pytest

from payments.core.import_stats import ImportStats
from payments.core.outcome import Application, Outcome, Reason, Status, held, not_sent


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_sentence_for_staff(reason):
    assert reason.sentence.endswith(".")
    assert reason.sentence[0].isupper()


def test_no_two_reasons_read_the_same():
    assert len({reason.sentence for reason in Reason}) == len(Reason)


def test_what_waits_is_pending_until_it_is_due():
    due_at = datetime(2026, 6, 10, tzinfo=UTC)

    outcome = held(due_at, 2, "why")

    assert (outcome.status, outcome.application, outcome.due_at, outcome.waits) == (
        Status.PENDING,
        Application.HELD,
        due_at,
        2,
    )
    assert outcome.target is None


@pytest.mark.parametrize(
    ("outcome", "printed"),
    [
        (Outcome(Application.IMPORTED), "imported 1, updated 0, held 0, not sent 0"),
        (Outcome(Application.UPDATED), "imported 0, updated 1, held 0, not sent 0"),
        (held(datetime(2026, 6, 10, tzinfo=UTC), 1, ""), "imported 0, updated 0, held 1, not sent 0"),
        (not_sent(Reason.INTERNAL_PAYMENT), "imported 0, updated 0, held 0, not sent 1"),
        (Outcome(Application.EXCEPTION), "imported 0, updated 0, held 0, not sent 0, exceptions 1"),
        (Outcome(Application.REMOVED), "imported 0, updated 0, held 0, not sent 0, removed 1"),
        (Outcome(Application.NONE), "imported 0, updated 0, held 0, not sent 0, unchanged 1"),
    ],
)
def test_a_tally_counts_each_outcome_once_and_prints_it(outcome, printed):
    stats = ImportStats()
    stats.count(outcome)

    assert (str(stats), stats.evaluated) == (printed, 1)


def test_tallies_add_up():
    both = ImportStats(imported=1_200, failed=1, evaluated=1_201) + ImportStats(imported=34, noted=2)

    assert both == ImportStats(imported=1_234, failed=1, noted=2, evaluated=1_201)
    assert str(both) == "imported 1,234, updated 0, held 0, not sent 0, failed 1, patients and charges noted 2"
