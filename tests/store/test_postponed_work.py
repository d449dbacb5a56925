"""The delay of postponed work grows with each failure. Finished and obsolete work is deleted."""

from datetime import UTC, datetime, timedelta

import pytest

from payments.core.postponed_work import WorkItem, WorkKind
from payments.store.db.connection import Transaction
from payments.store.ledger import postponed_work

NOW = datetime(2026, 6, 10, 12, tzinfo=UTC)
WORK_KIND = WorkKind.CLOSE_MONTH
MAY, JUNE = WorkItem("company", "2026-05"), WorkItem("company", "2026-06")


def postpone_item(tx: Transaction, item: WorkItem, now: datetime = NOW) -> postponed_work.Postponement:
    return postponed_work.postpone(tx, WORK_KIND, item, "ValueError: no", now)


@pytest.mark.parametrize(
    ("kind", "minutes"),
    [(WorkKind.BALANCE_COMPANY, [1, 5, 15, 60, 240, 240, 240]), (WorkKind.CLOSE_MONTH, [1, 5, 15, 15, 15, 15, 15])],
)
def test_delay_grows_with_each_failed_attempt_up_to_the_last_step(
    tx: Transaction, kind: WorkKind, minutes: list[int]
) -> None:
    failures = [postponed_work.postpone(tx, kind, MAY, "ValueError", NOW) for _ in minutes]

    assert [each.failed_attempts for each in failures] == [1, 2, 3, 4, 5, 6, 7]
    assert [(each.next_try_at - NOW) / timedelta(minutes=1) for each in failures] == minutes


def test_item_starts_again_with_the_first_delay_after_it_was_deleted(tx: Transaction) -> None:
    postpone_item(tx, MAY)
    postpone_item(tx, MAY)
    postponed_work.clear(tx, WORK_KIND, MAY)

    assert postpone_item(tx, MAY) == (1, NOW + WORK_KIND.delays[0])


def test_item_is_due_when_its_delay_is_over(tx: Transaction) -> None:
    postpone_item(tx, JUNE, NOW + timedelta(seconds=1))
    postpone_item(tx, MAY)
    due_at = NOW + WORK_KIND.delays[0]

    assert postponed_work.load_due(tx, WORK_KIND, due_at - timedelta(seconds=1), 9) == []
    assert postponed_work.load_due(tx, WORK_KIND, due_at, 9) == [MAY]
    assert postponed_work.load_due(tx, WORK_KIND, due_at + timedelta(minutes=1), 9) == [MAY, JUNE]
    assert postponed_work.load_due(tx, WORK_KIND, due_at + timedelta(minutes=1), 1) == [MAY]
    assert postponed_work.load_due(tx, WorkKind.BALANCE_COMPANY, due_at, 9) == []


def test_waiting_items_are_skipped_and_obsolete_items_are_deleted(tx: Transaction) -> None:
    other = WorkItem("other", "2026-05")
    postpone_item(tx, MAY)
    postpone_item(tx, JUNE)

    assert postponed_work.drop_postponed(tx, WORK_KIND, [other, JUNE], NOW) == [other]
    assert postponed_work.load(tx, WORK_KIND) == {JUNE}
    assert postponed_work.drop_postponed(tx, WORK_KIND, [other, JUNE], NOW + WORK_KIND.delays[0]) == [other, JUNE]


def test_postponed_items_are_counted_by_company_and_kind(tx: Transaction) -> None:
    postpone_item(tx, MAY)
    postpone_item(tx, JUNE)
    postpone_item(tx, WorkItem("other", "2026-05"))
    postponed_work.postpone(tx, WorkKind.BALANCE_COMPANY, WorkItem("company"), "ValueError", NOW)

    assert postponed_work.counts(tx) == [
        ("company", WorkKind.BALANCE_COMPANY, 1),
        ("company", WORK_KIND, 2),
        ("other", WORK_KIND, 1),
    ]
