"""Queued accounts are distributed immediately, and all other accounts page by page once per night."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import event

from payments.core.distribution import nightly_run_date
from payments.journeys import configuring, distributing
from payments.journeys.configuring import CompanyUpdate
from payments.journeys.distributing import BEFORE_FIRST_ACCOUNT
from payments.store.db.connection import Transaction
from payments.store.ledger import distribution, distribution_queue
from tests.builders.events import paid, saved_charge, saved_patient, saved_payment
from tests.builders.office import Office

TODAY = date(2020, 6, 10)
VISIT_DATE = "2020-06-05"


def test_accounts_are_paged_once_each_in_order(tx: Transaction) -> None:
    keys = [("a", "1"), ("a", "10"), ("a", "2"), ("b", "1"), ("b", "A"), ("b", "a"), ("b", "é")]
    distribution_queue.enqueue(tx, reversed(keys), Office(tx, TODAY, "zz").now)

    pages, last = [], ("", "")
    while page := distribution.accounts_after(tx, last, 3):
        pages.append(page)
        last = page[-1]

    assert [len(page) for page in pages] == [3, 3, 2]
    assert sorted(key for page in pages for key in page) == sorted([*keys, ("zz", "patient")])
    assert distribution.accounts_after(tx, ("a", ""), 9, of_company=True) == [("a", "1"), ("a", "10"), ("a", "2")]


@pytest.mark.slow
def test_number_of_statements_is_independent_of_the_number_of_accounts(tx: Transaction) -> None:
    office = Office(tx, TODAY)
    names = [f"p{number:02}" for number in range(40)]
    for each in names:
        office.publish(
            saved_patient(each),
            saved_charge(each, "20.00", patient_id=each, date_of_service=VISIT_DATE),
            saved_payment(payment_id=each, patient_id=each, **paid("30.00", VISIT_DATE)),
        )
    statements: list[str] = []
    event.listen(tx, "before_cursor_execute", lambda _, __, statement, *rest: statements.append(statement))

    counts = []
    for limit in (1, 39):
        statements.clear()
        done = distributing.distribute_accounts(
            tx, ("company", names[0]) if limit > 1 else BEFORE_FIRST_ACCOUNT, TODAY, office.now, limit
        )
        counts.append((len(done.allocations), len(statements)))

    assert counts[0][0] == 1
    assert counts[1] == (39, counts[0][1])


def test_queued_accounts_are_dequeued_once_up_to_the_limit(tx: Transaction) -> None:
    office = Office(tx, TODAY)
    keys = {("company", name) for name in ("ada", "bob", "cleo")}
    assert distribution_queue.dequeue(tx, 10) == []
    distribution_queue.enqueue(tx, [*keys, ("company", "ada")], office.now)
    distribution_queue.enqueue(tx, [("company", "ada")], office.now + timedelta(seconds=1))

    pages = [distribution_queue.dequeue(tx, 2) for _ in range(3)]

    assert [len(page) for page in pages] == [2, 1, 0]
    assert {key for page in pages for key in page} == keys


def test_queries_accept_an_empty_set_of_accounts(tx: Transaction) -> None:
    now = Office(tx, TODAY).now
    assert distribution_queue.enqueue(tx, [], now) == 0

    assert distribution.load_accounts(tx, [], TODAY, now, immediate_only=False) == {}
    assert distribution_queue.dequeue(tx, 5) == []


@pytest.mark.parametrize(
    ("local", "day"),
    [("2026-10-05T01:59", "2026-10-04"), ("2026-10-05T02:00", "2026-10-05"), ("2026-10-05T23:59", "2026-10-05")],
)
def test_nightly_run_starts_two_hours_after_midnight(local: str, day: str) -> None:
    assert nightly_run_date(datetime.fromisoformat(local)) == date.fromisoformat(day)


def test_each_company_is_distributed_once_per_night_in_its_time_zone(tx: Transaction) -> None:
    """Company a is in Denver and company b in Tokyo, with one account each. Due runs are looked up every 5 minutes."""
    for name, zone in (("a", "America/Denver"), ("b", "Asia/Tokyo")):
        now = Office(tx, TODAY, name, name).now
        configuring.set_company(tx, CompanyUpdate(name, timezone=zone), now=now, who="user:admin")
    begins = datetime(2020, 6, 10, tzinfo=UTC)
    nights = [
        (begins + timedelta(minutes=5 * each), done.last[0])
        for each in range(3 * 24 * 12)
        if (done := distributing.distribute_next_due(tx, begins + timedelta(minutes=5 * each), 10)).last
    ]

    found = {name: [f"{at:%m-%d %H:%M}" for at, each in nights if each == name] for name in ("a", "b")}
    assert found == {
        "a": ["06-10 08:00", "06-11 08:00", "06-12 08:00"],
        "b": ["06-10 17:00", "06-11 17:00", "06-12 17:00"],
    }


def test_interrupted_nightly_run_continues_after_its_last_account(tx: Transaction) -> None:
    office = Office(tx, TODAY)
    names = ["ada", "bob", "cleo"]
    for each in names:
        office.publish(
            saved_patient(each),
            saved_charge(each, "20.00", patient_id=each, date_of_service=VISIT_DATE),
            saved_payment(payment_id=each, patient_id=each, **paid("30.00", VISIT_DATE)),
        )
    assert distributing.distribute_next_due(tx, office.now, 2).last is None  # a new company starts in the next night
    tonight = office.now + timedelta(days=1)

    sets = [distributing.distribute_next_due(tx, tonight, 2) for _ in range(4)]

    assert [[patient_id for (_, patient_id), _ in each.allocations] for each in sets] == [
        ["ada", "bob"],
        ["cleo"],
        [],
        [],
    ]
    assert [each.last is None for each in sets] == [False, False, False, True]
