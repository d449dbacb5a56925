"""Cash drawers (rule D10): the value of a count, the state of a drawer, and who may close it."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.contract.event import Method
from payments.contract.money import ZERO, Money, dollars, total
from payments.core.drawer import (
    DENOMINATIONS,
    CashCount,
    DrawerCount,
    DrawerError,
    DrawerState,
    LineKind,
    balances,
    check_closing,
    check_count,
    check_opening,
    line_kind,
    state_of,
)

DAY = date(2020, 6, 12)
AMOUNTS = st.integers(-100_000, 100_000).map(lambda cents: dollars(Money(cents) / 100))


def counted(pieces: CashCount | None = None, reason: str = "", **others: str) -> DrawerCount:
    amounts = {Method[name.upper()]: dollars(amount) for name, amount in others.items()}
    return DrawerCount(pieces or CashCount(), amounts, reason)


def test_cash_is_the_sum_of_its_bills_and_coins() -> None:
    one_of_each = CashCount(*(1 for _ in CashCount._fields))

    assert str(one_of_each.total) == "189.91"
    assert str(CashCount(bills_20=3, bills_5=1, coins_5=3, coins_1=2).total) == "65.17"
    assert [str(DENOMINATIONS[name]) for name in ("bills_5", "coins_5", "coins_100")] == ["5.00", "0.05", "1.00"]


@given(st.dictionaries(st.sampled_from(Method), AMOUNTS), AMOUNTS.map(abs), AMOUNTS)
def test_differences_are_what_was_counted_less_starting_cash_and_payments(
    payments: dict[Method, Money], starting: Money, checks: Money
) -> None:
    count = counted(CashCount(bills_20=2), check=str(checks))

    found = balances(payments, starting, count)

    assert [each.method for each in found] == list(Method)
    assert total(each.expected for each in found) == starting + total(payments.values())
    assert total(each.difference or ZERO for each in found) == 40 + checks - starting - total(payments.values())
    agreed = DrawerCount(CashCount(), {each.method: each.expected for each in found if each.method != Method.CASH})
    others = [each.difference for each in balances(payments, starting, agreed) if each.method != Method.CASH]
    assert set(others) == {ZERO}


@pytest.mark.parametrize(
    ("payments", "count", "is_closed", "state"),
    [
        ("40.00", None, False, DrawerState.OPEN),
        ("40.00", counted(CashCount(bills_20=2)), False, DrawerState.BALANCED),
        ("40.00", counted(CashCount(bills_20=1)), False, DrawerState.LOCKED),
        ("40.00", counted(CashCount(bills_20=1), " "), False, DrawerState.LOCKED),
        ("40.00", counted(CashCount(bills_20=1), "change for a patient"), False, DrawerState.BALANCED),
        # The sum agrees, but a check was counted as cash.
        ("40.00", counted(CashCount(bills_20=1), check="20.00"), False, DrawerState.LOCKED),
        ("40.00", counted(CashCount(bills_20=2)), True, DrawerState.CLOSED),
    ],
)
def test_state_follows_from_the_last_count(
    payments: str, count: DrawerCount | None, is_closed: bool, state: DrawerState
) -> None:
    methods = balances({Method.CASH: dollars(payments)}, ZERO, count)

    assert state_of(methods, count, is_closed=is_closed) is state


@pytest.mark.parametrize(
    ("state", "who", "problem"),
    [
        (DrawerState.BALANCED, "user:ben", None),
        (DrawerState.BALANCED, "user:ann", "you have counted this drawer"),
        (DrawerState.LOCKED, "user:ben", "count again, or state the reason"),
        (DrawerState.OPEN, "user:ben", "count it first"),
    ],
)
def test_drawer_is_closed_by_a_person_who_has_not_counted(state: DrawerState, who: str, problem: str | None) -> None:
    if problem is None:
        check_closing(state, {"user:ann", "user:eve"}, who)
        return
    with pytest.raises(DrawerError, match=problem):
        check_closing(state, {"user:ann", "user:eve"}, who)


@pytest.mark.parametrize(
    ("day", "cash", "latest", "problem"),
    [
        (DAY, "0.00", None, None),
        (date(2020, 6, 10), "150.00", date(2020, 6, 10), None),
        (date(2020, 6, 13), "0.00", None, "in the future"),
        (date(20, 6, 12), "0.00", None, "the earliest year"),
        (date(2020, 6, 9), "0.00", date(2020, 6, 10), "has a drawer of 2020-06-10"),
        (DAY, "-0.01", None, "starting cash"),
    ],
)
def test_drawer_is_opened_for_the_last_day_or_a_later_one(
    day: date, cash: str, latest: date | None, problem: str | None
) -> None:
    if problem is None:
        check_opening(day, dollars(cash), DAY, latest)
        return
    with pytest.raises(DrawerError, match=problem):
        check_opening(day, dollars(cash), DAY, latest)


@pytest.mark.parametrize(
    ("count", "problem"),
    [
        (counted(CashCount(bills_20=-1)), "bills_20"),
        (counted(CashCount(coins_1=100_000)), "coins_1"),
        (counted(cash="1.00"), "by denomination"),
        (counted(reason="r" * 501), "more than 500 characters"),
    ],
)
def test_impossible_count_is_refused(count: DrawerCount, problem: str) -> None:
    with pytest.raises(DrawerError, match=problem):
        check_count(count)


def test_payments_of_an_earlier_day_and_changes_are_told_apart() -> None:
    assert line_kind(DAY, DAY, was_taken_before=False) is LineKind.OF_DAY
    assert line_kind(date(2020, 6, 11), DAY, was_taken_before=False) is LineKind.LATE
    assert line_kind(DAY, DAY, was_taken_before=True) is LineKind.CHANGE
