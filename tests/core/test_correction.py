"""Every correction of money is d = T - P, posted where the money belongs."""

from collections import defaultdict
from datetime import date
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from payments.contract.event import ChargeType, Method
from payments.contract.money import ZERO, total
from payments.core.correction import adjusting_entries, correcting_postings, effective_postings
from payments.core.line import EntryDimensions, LedgerPosting
from tests.make import posting

amounts = st.integers(-9_999, 9_999).map(lambda cents: (Decimal(cents) / 100).quantize(ZERO)).filter(bool)
bearings = st.builds(
    EntryDimensions,
    st.just("patient"),
    st.sampled_from([ChargeType.COPAY, ChargeType.SUPPLIES]),
    st.sampled_from([Method.CASH, Method.CHECK]),
    st.none(),
    st.none(),
    st.sampled_from([date(2026, 6, 5), date(2026, 6, 8)]),
)
postings = st.builds(LedgerPosting, amounts, bearings)
standings = st.lists(postings, max_size=6).map(tuple)


def amount_of(standing):
    return total(each.amount for each in standing)


def by_bearing(standing):
    sums = defaultdict(lambda: ZERO)
    for amount, dimensions in standing:
        sums[dimensions] += amount
    return {dimensions: amount for dimensions, amount in sums.items() if amount}


@given(standings, st.none() | postings)
def test_what_is_posted_is_always_the_difference_between_target_and_posted(standing, wanted):
    assert amount_of(correcting_postings(standing, wanted)) == (wanted.amount if wanted else ZERO) - amount_of(standing)


@given(standings.filter(amount_of), st.none() | postings)
def test_afterwards_what_stands_is_what_is_wanted_wherever_money_is_broken_down(standing, wanted):
    after = standing + correcting_postings(standing, wanted)

    assert by_bearing(after) == ({wanted.dimensions: wanted.amount} if wanted else {})


@given(standings, st.none() | postings)
def test_nothing_is_posted_twice_and_nothing_of_zero(standing, wanted):
    posted = correcting_postings(standing, wanted)

    assert all(each.amount for each in posted)
    assert correcting_postings(standing + posted, wanted) == ()


@given(standings, postings)
def test_money_goes_out_before_it_comes_in(standing, wanted):
    directions = [each.amount > ZERO for each in correcting_postings(standing, wanted)]

    assert directions == sorted(directions)


def test_a_change_of_the_amount_is_one_entry():
    assert correcting_postings([posting("25.00")], posting("35.00")) == (posting("10.00"),)
    assert correcting_postings([posting("60.00"), posting("-15.00")], posting("40.00")) == (posting("-5.00"),)


def test_a_change_of_where_it_belongs_is_a_pair():
    moved = correcting_postings([posting("40.00")], posting("45.00", method=Method.CHECK))

    assert moved == (posting("-40.00"), posting("45.00", method=Method.CHECK))


def test_a_change_of_the_date_alone_moves_the_money_in_an_open_month_and_needs_no_adjustment_of_a_closed_one():
    standing, wanted = [posting("40.00", day="2026-06-05")], posting("40.00", day="2026-06-08")

    assert correcting_postings(standing, wanted) == (posting("-40.00", day="2026-06-05"), wanted)
    assert adjusting_entries(standing, wanted) == ()


@given(standings, st.none() | postings)
def test_an_adjustment_of_a_closed_month_comes_to_the_same_difference(standing, wanted):
    assert amount_of(adjusting_entries(standing, wanted)) == (wanted.amount if wanted else ZERO) - amount_of(standing)


def test_entries_that_add_up_to_nothing_no_longer_count():
    assert effective_postings([posting("50.00"), posting("-50.00", day="2026-07-02")]) == ()
    assert effective_postings([posting("50.00"), posting("-20.00")]) == (posting("50.00"), posting("-20.00"))
