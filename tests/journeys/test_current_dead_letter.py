"""The dead letter that is shown for a line, and counted: one rule for every report."""

from collections import Counter
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments.journeys import balancing
from payments.journeys.balancing import BalanceFilter
from payments.journeys.reporting import FeedFilter
from payments.store.db.connection import Database, Transaction
from payments.store.feed import requeue_candidates
from payments.store.reports import claims_feed, dashboard
from tests.examples import example_count
from tests.make import body, said
from tests.office import Office

EXAMPLES = example_count(5)
TEN, ELEVEN, TWELVE, NEVER = (f"2026-06-05T{hour}:00:00+00:00" for hour in ("10", "11", "12", "33"))


def taken(amount: str, version: int, at: str, **more: Any) -> bytes:
    return body(said(amount_due=amount, amount_paid=amount, version=version, saved_at=at, **more))


def refused(amount: str, version: object, at: str, **more: Any) -> bytes:
    return taken(amount, version, at, method="Gift card", **more)  # type: ignore[arg-type]


def gauged(tx: Transaction) -> Counter[tuple[str, str | None]]:
    """Return what the overview and the figures of Prometheus count, by status and reason."""
    counted = {(each.status, each.reason): each.count for each in dashboard.unsuccessful_counts(tx, None)}
    return Counter({("Transmission Successful", None): dashboard.successful_count(tx)} | counted)


STORIES = [
    ("a newer one", [taken("1.00", 1, TEN), refused("2.00", 2, ELEVEN)], ["2.00"]),
    ("an older one", [taken("1.00", 2, ELEVEN), refused("2.00", 1, TEN)], ["1.00"]),
    ("none is there", [refused("2.00", "x", TEN), refused("3.00", "y", ELEVEN)], ["3.00"]),
    ("saved later", [taken("1.00", 1, TEN), refused("2.00", "x", ELEVEN)], ["2.00"]),
    ("saved earlier", [taken("1.00", 1, ELEVEN), refused("2.00", "x", TEN)], ["1.00"]),
    (
        "an old one hides no newer one",
        [taken("1.00", 7, TEN), refused("2.00", "x", ELEVEN), refused("3.00", 5, TEN)],
        ["2.00"],
    ),
    (
        "the later save of two",
        [taken("1.00", 1, TEN), refused("2.00", 9, ELEVEN), refused("3.00", "x", TWELVE)],
        ["3.00"],
    ),
    (
        "the version of two saved at once",
        [taken("1.00", 1, TEN), refused("2.00", "x", ELEVEN), refused("3.00", 9, ELEVEN)],
        ["3.00"],
    ),
    (
        "the higher version, whenever it was saved",
        [refused("2.00", 3, TEN), refused("3.00", 2, TWELVE), refused("4.00", "x", ELEVEN)],
        ["2.00"],
    ),
]


@pytest.mark.parametrize(("events", "amounts"), [row[1:] for row in STORIES], ids=[row[0] for row in STORIES])
def test_line_has_one_feed_row_of_its_newest_version(tx: Transaction, events: list[bytes], amounts: list[str]) -> None:
    for in_any_order in (events, events[::-1]):
        with tx.begin_nested() as inside:
            office = Office(tx, date(2026, 6, 20))
            for event in in_any_order:
                office.publish(event)

            rows = claims_feed.read(tx, FeedFilter())
            assert [str(row.amount) for row in rows] == amounts
            assert gauged(tx) == Counter((row.status, row.reason) for row in rows)
            balance = balancing.balance(tx, BalanceFilter())
            assert ([str(balance.emr_total)], balance.unexplained_lines) == (amounts, [])
            inside.rollback()


def test_dead_letter_with_version_or_time_shares_the_row_of_its_line(tx: Transaction) -> None:
    Office(tx, date(2026, 6, 20)).publish(taken("1.00", 1, TEN), refused("2.00", "x", NEVER))

    assert [str(row.amount) for row in claims_feed.read(tx, FeedFilter())] == ["1.00", "2.00"]
    assert str(balancing.balance(tx, BalanceFilter()).emr_total) == "1.00"


def test_event_naming_a_line_of_another_company_leaves_its_feed_unchanged(tx: Transaction) -> None:
    Office(tx, date(2026, 6, 20)).publish(taken("1.00", 1, TEN), taken("9.00", 5, ELEVEN, company_id="other"))

    rows = [(row.payment, str(row.amount), row.status) for row in claims_feed.read(tx, FeedFilter())]
    balance = balancing.balance(tx, BalanceFilter())

    key = "clinic/payment/1"
    assert rows == [(key, "1.00", "Transmission Successful"), (key, "9.00", "Validation Failed")]
    (line,) = balance.lines
    assert (str(line.emr), {term.value: str(amount) for term, amount in line.items.items()}) == (
        "9.00",
        {"invalid": "9.00"},
    )
    assert (str(balance.emr_total), str(balance.billing_total), balance.equal) == ("10.00", "1.00", 1)


said_of_a_line = st.fixed_dictionaries(
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


@given(told=st.lists(said_of_a_line, max_size=8))
@settings(max_examples=EXAMPLES)
def test_feed_pages_show_the_rows_of_the_whole_feed(database: Database, told: list[dict[str, Any]]) -> None:
    with database.connect() as tx:
        office = Office(tx, date(2026, 6, 20))
        for chunk in (told[: len(told) // 2], told[len(told) // 2 :]):
            office.publish(*(body(said(**content)) for content in chunk))

        whole = claims_feed.read(tx, FeedFilter())
        pages = [each.row for each in claims_feed.read_page(tx, FeedFilter(), None, 100)]

        assert sorted(pages, key=repr) == sorted(whole, key=repr)
        assert requeue_candidates.count(tx, FeedFilter()) == len(whole)
        assert gauged(tx) == Counter((row.status, row.reason) for row in whole)
        tx.rollback()
