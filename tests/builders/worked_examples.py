"""The worked examples of closed months. All months up to May 2020 were closed on June 10."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from tests.builders.events import paid

CLOSED_ON = date(2020, 6, 10)


@dataclass(frozen=True)
class Example:
    """A row of the table of worked examples."""

    name: str
    case: str
    difference: str
    posted: list[tuple[str, str, str]]  # on accept: deposit date, amount, method
    before: dict[str, Any] | None = None  # the first version, in Billing before the months are closed
    now: dict[str, Any] | None = None  # the version that comes after; None is a deletion
    saved_at: str = "2020-06-15T10:00:00-07:00"
    accepted_on: date = date(2020, 6, 16)
    closed: tuple[str, str] = ("0.00", "0.00")  # the totals of April and May, which nothing changes any more

    @property
    def totals_before_accepting(self) -> list[str]:
        """The totals of April, May and June before the exception is accepted."""
        return [*self.closed, "0.00"]

    @property
    def totals_after_accepting(self) -> list[str]:
        return [*self.closed, str(sum((Decimal(amount) for _, amount, _ in self.posted), Decimal("0.00")))]


EXAMPLES = [
    Example(
        "W1 added",
        "added",
        "50.00",
        [("2020-06-16", "50.00", "Cash")],
        now=paid("50.00", "2020-05-13"),
    ),
    Example(
        "W2 edited up",
        "edited",
        "10.00",
        [("2020-06-16", "10.00", "Cash")],
        before=paid("25.00", "2020-04-08"),
        now=paid("35.00", "2020-04-08"),
        closed=("25.00", "0.00"),
    ),
    Example(
        "W3 edited down",
        "edited",
        "-15.00",
        [("2020-06-16", "-15.00", "Cash")],
        before=paid("60.00", "2020-04-08"),
        now=paid("45.00", "2020-04-08"),
        closed=("60.00", "0.00"),
    ),
    Example(
        "W4 method",
        "edited",
        "0.00",
        [("2020-06-16", "-40.00", "Cash"), ("2020-06-16", "40.00", "Check")],
        before=paid("40.00", "2020-05-04"),
        now=paid("40.00", "2020-05-04", method="Check", reference="1021"),
        closed=("0.00", "40.00"),
    ),
    Example(
        "W6 deleted",
        "deleted",
        "-50.00",
        [("2020-06-16", "-50.00", "Cash")],
        before=paid("50.00", "2020-05-13"),
        closed=("0.00", "50.00"),
    ),
    Example(
        "W15 late arrival",
        "added",
        "20.00",
        [("2020-06-12", "20.00", "Cash")],
        now=paid("20.00", "2020-05-31"),
        saved_at="2020-05-31T17:00:00-07:00",
        accepted_on=date(2020, 6, 12),
    ),
]

_, _, W3, _, W6, W15 = EXAMPLES
