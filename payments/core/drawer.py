"""Rules of cash drawers: the balance of a count, the state of a drawer, and who may close it (rule D10)."""

from collections.abc import Collection, Mapping
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from payments.contract.days import YEAR_FIRST
from payments.contract.event import Method
from payments.contract.money import AMOUNT_MAX, ZERO, Money, total

REASON_CHARACTERS_MAX = 500
PIECES_MAX = 99_999
"""The largest number of bills or coins of one denomination in a count."""


class DrawerError(ValueError):
    """A drawer cannot be opened, counted or closed as requested. Nothing was changed."""


class DrawerState(StrEnum):
    """The state of a drawer.

    OPEN: it takes payments. LOCKED: it was counted and takes no more payments, but the count differs without a reason.
    BALANCED: the count agrees, or the difference has a reason. CLOSED: a second person has confirmed the count.
    """

    OPEN = "open"
    LOCKED = "locked"
    BALANCED = "balanced"
    CLOSED = "closed"


class CashCount(NamedTuple):
    """The numbers of bills and coins in a drawer by value: `bills_5` are $5 bills, `coins_5` are 5-cent coins."""

    bills_100: int = 0
    bills_50: int = 0
    bills_20: int = 0
    bills_10: int = 0
    bills_5: int = 0
    bills_2: int = 0
    bills_1: int = 0
    coins_100: int = 0
    coins_50: int = 0
    coins_25: int = 0
    coins_10: int = 0
    coins_5: int = 0
    coins_1: int = 0

    @property
    def total(self) -> Money:
        """The value of the bills and coins in dollars."""
        return total(DENOMINATIONS[name] * count for name, count in self._asdict().items())


def _value_of(name: str) -> Money:
    kind, _, number = name.partition("_")
    return (Decimal(number) if kind == "bills" else Decimal(number) / 100).quantize(Decimal("0.01"))


DENOMINATIONS: Mapping[str, Money] = {name: _value_of(name) for name in CashCount._fields}
"""The value in dollars of one bill or coin, by field of CashCount."""
COUNTED_METHODS = tuple(method for method in Method if method is not Method.CASH)
"""The methods for which a count states one amount. Cash is counted by denomination."""


class DrawerCount(NamedTuple):
    """A count of a drawer: the cash, the dollars counted of each other method, and the reason for a difference."""

    cash: CashCount
    others: Mapping[Method, Money]
    reason: str = ""

    def of(self, method: Method) -> Money:
        """Return the counted amount of a method, in dollars."""
        return self.cash.total if method is Method.CASH else self.others.get(method, ZERO)


class MethodBalance(NamedTuple):
    """The expected and the counted dollars of one method in a drawer. `counted` is None before the count.

    `starting` is the cash with which the drawer began, `payments` the sum of the payments that it took.
    """

    method: Method
    starting: Money
    payments: Money
    counted: Money | None

    @property
    def expected(self) -> Money:
        """The dollars that the drawer should hold."""
        return self.starting + self.payments

    @property
    def difference(self) -> Money | None:
        """Counted less expected: over if it is more than 0.00, short if it is less. None before the count."""
        return None if self.counted is None else self.counted - self.expected


def balances(payments: Mapping[Method, Money], starting_cash: Money, count: DrawerCount | None) -> list[MethodBalance]:
    """Return the balance of each method, in the order of Method. `payments` are the sums of the payments by method."""
    return [
        MethodBalance(
            method,
            starting_cash if method is Method.CASH else ZERO,
            payments.get(method, ZERO),
            None if count is None else count.of(method),
        )
        for method in Method
    ]


def state_of(methods: Collection[MethodBalance], count: DrawerCount | None, *, is_closed: bool) -> DrawerState:
    """Return the state of a drawer. `count` is its last count, `methods` are its balances with this count."""
    if count is None:
        return DrawerState.OPEN
    if is_closed:
        return DrawerState.CLOSED
    has_difference = any(each.difference for each in methods)
    return DrawerState.LOCKED if has_difference and not count.reason.strip() else DrawerState.BALANCED


def check_opening(day: date, starting_cash: Money, today: date, latest: date | None) -> None:
    """Raise DrawerError if no drawer may be opened for a day.

    `today` is the company's current day, `latest` the day of the clinic's newest drawer, None without one.
    """
    if day > today:
        raise DrawerError(f"the day {day} is in the future; today is {today}")
    if day.year < YEAR_FIRST:
        raise DrawerError(f"the day {day}: the earliest year is {YEAR_FIRST}")
    if latest is not None and day < latest:
        raise DrawerError(f"the clinic has a drawer of {latest}; payments of an earlier day fall into the next drawer")
    if not ZERO <= starting_cash <= AMOUNT_MAX:
        raise DrawerError("the starting cash must be 0.00 or more")


def check_count(count: DrawerCount) -> None:
    """Raise DrawerError if a number or an amount is out of range, cash is an amount, or the reason is too long."""
    for name, pieces in count.cash._asdict().items():
        if not 0 <= pieces <= PIECES_MAX:
            raise DrawerError(f"{name}: the number of pieces must be from 0 to {PIECES_MAX:,}")
    if Method.CASH in count.others:
        raise DrawerError("cash is counted by denomination")
    if any(abs(amount) > AMOUNT_MAX for amount in count.others.values()):
        raise DrawerError(f"an amount is more than {AMOUNT_MAX:,}")
    if len(count.reason) > REASON_CHARACTERS_MAX:
        raise DrawerError(f"the reason has more than {REASON_CHARACTERS_MAX} characters")


def check_closing(state: DrawerState, counted_by: Collection[str], who: str) -> None:
    """Raise DrawerError unless a user may close a drawer: it is balanced, and the user took part in no count of it."""
    if state is DrawerState.OPEN:
        raise DrawerError("the drawer is open; count it first")
    if state is DrawerState.LOCKED:
        raise DrawerError("the count differs from the payments; count again, or state the reason")
    if who in counted_by:
        raise DrawerError("you have counted this drawer; another person has to close it")


class LineKind(StrEnum):
    """The kind of a payment in a drawer: of the drawer's day, of an earlier day, or a change of a counted payment."""

    OF_DAY = "of_day"
    LATE = "late"
    CHANGE = "change"


def line_kind(transaction_date: date, day: date, *, was_taken_before: bool) -> LineKind:
    """Return the kind of a payment in the drawer of a day. `was_taken_before`: an earlier drawer has taken it."""
    if was_taken_before:
        return LineKind.CHANGE
    return LineKind.LATE if transaction_date < day else LineKind.OF_DAY
