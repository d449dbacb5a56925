"""Every report shows and counts the same current dead letter of a line."""

from collections import Counter
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments.core.scope import Scope
from payments.core.sorting import Window
from payments.journeys import balancing, reporting
from payments.journeys.balancing import BalanceFilter
from payments.journeys.reporting import FeedFilter
from payments.store.db.connection import Database, Transaction
from payments.store.feed import requeue_candidates
from payments.store.reports import claims_feed, dashboard
from tests.builders.events import NOW, event_body, payment_fields, saved_payment
from tests.builders.ledger import create_clinic, import_chunk
from tests.builders.office import Office
from tests.examples import example_count

EXAMPLES = example_count(5)
TEN, ELEVEN, TWELVE, NEVER = (f"2026-06-05T{hour}:00:00+00:00" for hour in ("10", "11", "12", "33"))


def valid_body(amount: str, version: int, at: str, **more: Any) -> bytes:
    return event_body(payment_fields(amount_due=amount, amount_paid=amount, version=version, saved_at=at, **more))


def invalid_body(amount: str, version: object, at: str, **more: Any) -> bytes:
    return valid_body(amount, version, at, method="Gift card", **more)  # type: ignore[arg-type]


def overview_counts(tx: Transaction) -> Counter[tuple[str, str | None]]:
    """Return the counts of the overview and of the metrics, by status and reason."""
    counted = Counter({("Transmission Successful", None): dashboard.count_successful(tx)})
    for each in dashboard.unsuccessful_by_company(tx):
        counted[each.status, each.reason] += each.count
    return counted


FEED_ROW_CASES = [
    ("newer dead letter", [valid_body("1.00", 1, TEN), invalid_body("2.00", 2, ELEVEN)], ["2.00"]),
    ("older dead letter", [valid_body("1.00", 2, ELEVEN), invalid_body("2.00", 1, TEN)], ["1.00"]),
    ("no valid version", [invalid_body("2.00", "x", TEN), invalid_body("3.00", "y", ELEVEN)], ["3.00"]),
    ("saved later", [valid_body("1.00", 1, TEN), invalid_body("2.00", "x", ELEVEN)], ["2.00"]),
    ("saved earlier", [valid_body("1.00", 1, ELEVEN), invalid_body("2.00", "x", TEN)], ["1.00"]),
    (
        "old dead letter does not hide a newer one",
        [valid_body("1.00", 7, TEN), invalid_body("2.00", "x", ELEVEN), invalid_body("3.00", 5, TEN)],
        ["2.00"],
    ),
    (
        "later save of two dead letters",
        [valid_body("1.00", 1, TEN), invalid_body("2.00", 9, ELEVEN), invalid_body("3.00", "x", TWELVE)],
        ["3.00"],
    ),
    (
        "valid version of two saved at the same time",
        [valid_body("1.00", 1, TEN), invalid_body("2.00", "x", ELEVEN), invalid_body("3.00", 9, ELEVEN)],
        ["3.00"],
    ),
    (
        "higher version regardless of save time",
        [invalid_body("2.00", 3, TEN), invalid_body("3.00", 2, TWELVE), invalid_body("4.00", "x", ELEVEN)],
        ["2.00"],
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("events", "amounts"), [row[1:] for row in FEED_ROW_CASES], ids=[row[0] for row in FEED_ROW_CASES]
)
def test_line_has_one_feed_row_of_its_newest_version(tx: Transaction, events: list[bytes], amounts: list[str]) -> None:
    for ordered in (events, events[::-1]):
        with tx.begin_nested() as savepoint:
            office = Office(tx, date(2026, 6, 20))
            for event in ordered:
                office.publish(event)

            rows = list(claims_feed.stream(tx, FeedFilter()))
            assert [str(row.amount) for row in rows] == amounts
            assert overview_counts(tx) == Counter((row.status, row.reason) for row in rows)
            balance = balancing.balance(tx, BalanceFilter())
            assert ([str(balance.emr_total)], balance.unbalanced_lines) == (amounts, [])
            savepoint.rollback()


def test_dead_letter_without_version_and_time_has_its_own_feed_row(tx: Transaction) -> None:
    Office(tx, date(2026, 6, 20)).publish(valid_body("1.00", 1, TEN), invalid_body("2.00", "x", NEVER))

    assert [str(row.amount) for row in claims_feed.stream(tx, FeedFilter())] == ["1.00", "2.00"]
    assert str(balancing.balance(tx, BalanceFilter()).emr_total) == "1.00"


def test_refused_event_without_a_time_is_sorted_by_its_arrival(tx: Transaction) -> None:
    create_clinic(tx)
    import_chunk(tx, b"no time")
    for payment_id, hours in (("later", 1), ("earlier", -1)):
        import_chunk(tx, saved_payment(payment_id=payment_id, saved_at=(NOW + timedelta(hours=hours)).isoformat()))

    page = reporting.claims_feed_page(tx, FeedFilter(), Window(9))

    assert [each.row.payment for each in page.rows] == ["clinic/later/1", None, "clinic/earlier/1"]


def test_event_naming_a_line_of_another_company_leaves_its_feed_unchanged(tx: Transaction) -> None:
    Office(tx, date(2026, 6, 20)).publish(valid_body("1.00", 1, TEN), valid_body("9.00", 5, ELEVEN, company_id="other"))

    scope = Scope.of_companies("company")
    rows = [(row.payment, str(row.amount), row.status) for row in claims_feed.stream(tx, FeedFilter(scope=scope))]
    balance = balancing.balance(tx, BalanceFilter(scope=scope))

    assert rows == [("clinic/payment/1", "1.00", "Transmission Successful")]
    assert (list(balance.lines), str(balance.emr_total), str(balance.billing_total)) == ([], "1.00", "1.00")


line_events = st.fixed_dictionaries(
    {
        "payment_id": st.sampled_from(["a", "a", "b", ...]),
        "version": st.sampled_from([1, 2, 3, "x", "y"]),
        "saved_at": st.sampled_from([TEN, ELEVEN, TWELVE, NEVER]),
        "method": st.sampled_from(["Cash", "Check", "Gift card"]),
        "company_id": st.sampled_from(["company"] * 4 + ["other"]),
        "amount_paid": st.sampled_from(["1.00", "2.00", "3.00"]),
        "amount_due": st.just("1.00"),
    }
)


@given(events=st.lists(line_events, max_size=8))
@settings(max_examples=EXAMPLES)
def test_pages_of_the_feed_contain_the_rows_of_the_whole_feed(database: Database, events: list[dict[str, Any]]) -> None:
    with database.connect() as tx:
        office = Office(tx, date(2026, 6, 20))
        for chunk in (events[: len(events) // 2], events[len(events) // 2 :]):
            office.publish(*(event_body(payment_fields(**content)) for content in chunk))

        whole = list(claims_feed.stream(tx, FeedFilter()))
        pages = [each.row for each in claims_feed.read_page(tx, FeedFilter(), Window(100))]

        assert sorted(pages, key=repr) == sorted(whole, key=repr)
        assert requeue_candidates.count(tx, FeedFilter()) == len(whole)
        assert overview_counts(tx) == Counter((row.status, row.reason) for row in whole)
        tx.rollback()
