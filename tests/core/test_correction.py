"""Corrections (rules D1, D3, D4): postings for open months, and adjusting entries for closed months."""

from collections import defaultdict
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.contract.event import ChargeType, Method
from payments.contract.money import ZERO, total
from payments.core.correction import adjusting_entries, correcting_postings
from payments.core.line import EntryDimensions, LedgerPosting, effective_postings
from tests.builders.events import ledger_posting

amounts = st.integers(-9_999, 9_999).map(lambda cents: (Decimal(cents) / 100).quantize(ZERO)).filter(bool)
entry_dimensions = st.builds(
    EntryDimensions,
    st.just("patient"),
    st.sampled_from([ChargeType.COPAY, ChargeType.SUPPLIES]),
    st.sampled_from([Method.CASH, Method.CHECK]),
    st.none(),
    st.none(),
    st.sampled_from([date(2026, 6, 5), date(2026, 6, 8)]),
)
ledger_postings = st.builds(LedgerPosting, amounts, entry_dimensions)
postings_lists = st.lists(ledger_postings, max_size=6).map(tuple)
single_sign_postings = postings_lists.map(lambda found: tuple(each._replace(amount=abs(each.amount)) for each in found))
CASH, CHECK = Method.CASH, Method.CHECK


def posting_of(parts):
    amount, day, method = parts
    return ledger_posting(amount, day=f"2026-06-0{day}", method=method)


def sum_amounts(before):
    return total(each.amount for each in before)


def sum_by_dimensions(before):
    sums = defaultdict(lambda: ZERO)
    for amount, dimensions in before:
        sums[dimensions] += amount
    return {dimensions: amount for dimensions, amount in sums.items() if amount}


@given(postings_lists, st.none() | ledger_postings)
def test_correcting_postings_add_up_to_target_minus_posted(before, wanted):
    assert sum_amounts(correcting_postings(before, wanted)) == (wanted.amount if wanted else ZERO) - sum_amounts(before)


@given(postings_lists, st.none() | ledger_postings)
def test_effective_postings_agree_in_every_dimension_after_the_correction(before, wanted):
    after = before + correcting_postings(before, wanted)

    assert effective_postings(after) == ((wanted,) if wanted else ())


@given(single_sign_postings, st.none() | ledger_postings)
def test_ledger_agrees_by_every_dimension_if_nothing_was_cancelled(before, wanted):
    after = before + correcting_postings(before, wanted)

    assert sum_by_dimensions(after) == ({wanted.dimensions: wanted.amount} if wanted else {})


@given(postings_lists, st.none() | ledger_postings)
def test_correction_posts_no_zero_amounts_and_repeats_nothing(before, wanted):
    posted = correcting_postings(before, wanted)

    assert all(each.amount for each in posted)
    assert correcting_postings(before + posted, wanted) == ()


@given(postings_lists, st.none() | ledger_postings, st.dates(date(2026, 6, 1), date(2026, 8, 31)))
def test_adjusting_entries_are_empty_once_the_adjustment_is_posted(before, wanted, day):
    posted = tuple(each.to_posting(day) for each in adjusting_entries(before, wanted))

    assert adjusting_entries(before + posted, wanted) == ()


@pytest.mark.parametrize(
    ("before", "wanted", "posted"),
    [
        pytest.param(
            [("99.99", 5, CASH), ("-99.99", 8, CASH)], ("0.01", 5, CASH), [("0.01", 5, CASH)], id="other date"
        ),
        pytest.param([("99.99", 5, CASH), ("-99.99", 8, CASH)], None, [], id="nothing is left"),
        pytest.param(
            [("50.00", 5, CASH), ("-50.00", 5, CHECK)], None, [("-50.00", 5, CASH), ("50.00", 5, CHECK)], id="method"
        ),
        pytest.param([("60.00", 5, CASH), ("-15.00", 8, CASH)], ("45.00", 5, CASH), [], id="lowered later"),
        pytest.param(
            [("60.00", 5, CASH), ("-15.00", 8, CASH)], None, [("-45.00", 5, CASH)], id="lowered, then removed"
        ),
        pytest.param(
            [("5.00", 5, CASH), ("3.00", 8, CASH)],
            ("-3.00", 5, CASH),
            [("-3.00", 8, CASH), ("-8.00", 5, CASH)],
            id="sign",
        ),
        pytest.param(
            [("-5.00", 5, CASH)], ("7.00", 8, CASH), [("5.00", 5, CASH), ("7.00", 8, CASH)], id="refund to payment"
        ),
    ],
)
def test_correction_counts_what_remains_posted_in_each_dimension(before, wanted, posted):
    entries = tuple(map(posting_of, before))
    target = posting_of(wanted) if wanted else None

    assert [*correcting_postings(entries, target)] == [*map(posting_of, posted)]
    assert correcting_postings(entries + correcting_postings(entries, target), target) == ()


@given(postings_lists, ledger_postings)
def test_reversals_are_posted_before_new_amounts(before, wanted):
    directions = [each.amount > ZERO for each in correcting_postings(before, wanted)]

    assert directions == sorted(directions)


def test_change_of_amount_is_posted_as_one_difference():
    assert correcting_postings([ledger_posting("25.00")], ledger_posting("35.00")) == (ledger_posting("10.00"),)
    assert correcting_postings([ledger_posting("60.00"), ledger_posting("-15.00")], ledger_posting("40.00")) == (
        ledger_posting("-5.00"),
    )


def test_change_of_method_is_posted_as_a_reversal_and_a_new_amount():
    moved = correcting_postings([ledger_posting("40.00")], ledger_posting("45.00", method=Method.CHECK))

    assert moved == (ledger_posting("-40.00"), ledger_posting("45.00", method=Method.CHECK))


def test_change_of_deposit_date_is_posted_in_an_open_month_only():
    before, wanted = [ledger_posting("40.00", day="2026-06-05")], ledger_posting("40.00", day="2026-06-08")

    assert correcting_postings(before, wanted) == (ledger_posting("-40.00", day="2026-06-05"), wanted)
    assert adjusting_entries(before, wanted) == ()


@given(postings_lists, st.none() | ledger_postings)
def test_adjusting_entries_add_up_to_target_minus_posted(before, wanted):
    assert sum_amounts(adjusting_entries(before, wanted)) == (wanted.amount if wanted else ZERO) - sum_amounts(before)


def test_postings_that_cancel_each_other_are_not_effective():
    fifty = ledger_posting("50.00")

    assert effective_postings([fifty, ledger_posting("-50.00", day="2026-07-02")]) == ()
    assert effective_postings([fifty, ledger_posting("-50.00", method=CHECK)]) == (
        fifty,
        ledger_posting("-50.00", method=CHECK),
    )
    assert effective_postings([fifty, ledger_posting("-20.00")]) == (ledger_posting("30.00"),)
    assert effective_postings([fifty, ledger_posting("10.00", day="2026-07-02"), ledger_posting("-15.00")]) == (
        ledger_posting("35.00"),
        ledger_posting("10.00", day="2026-07-02"),
    )
