"""What to post so that the ledger says what the EMR says; every correction of money is d = T - P."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from payments.core.line import Adjustment, Bearing, Posting, standing_by_bearing
from payments.core.money import AMOUNT_MAX, ZERO, Money, total


def corrections(standing: Sequence[Posting], wanted: Posting | None) -> tuple[Posting, ...]:
    """Return the postings that turn what stands into what is wanted (None: nothing should stand).

    Where only the amount changed this is the difference alone; where the money belongs elsewhere it is a pair, what
    stood taken out and what is wanted put in. Amounts going out come first.
    """
    if total(posting.amount for posting in standing) == ZERO:
        return (wanted,) if wanted else ()
    change = {bearing: -amount for bearing, amount in standing_by_bearing(standing).items()}
    if wanted:
        change[wanted.bearing] = change.get(wanted.bearing, ZERO) + wanted.amount
    moved = [Posting(part, bearing) for bearing, amount in change.items() for part in _parts(amount)]
    return tuple(sorted(moved, key=_goes_in))


def adjustments(standing: Sequence[Posting], wanted: Posting | None) -> tuple[Adjustment, ...]:
    """Return what to add in a later month so that the sums say what is wanted (None: nothing), whatever its dates.

    The entries that stand are not touched (rule D4): one entry of d = T - P where only the amount changed, a pair where
    the money belongs elsewhere, none where only the date or a note changed.
    """
    change: dict[Adjustment, Money] = defaultdict(lambda: ZERO)
    for amount, bearing in standing:
        change[_undated(bearing)] -= amount
    if wanted:
        change[_undated(wanted.bearing)] += wanted.amount
    moved = [where._replace(amount=part) for where, amount in change.items() for part in _parts(amount)]
    return tuple(sorted(moved, key=_goes_in))


def active(standing: Iterable[Posting]) -> tuple[Posting, ...]:
    """Return the postings of a line that still count: none once they add up to 0.00."""
    postings = tuple(standing)
    return postings if total(posting.amount for posting in postings) else ()


def _undated(bearing: Bearing) -> Adjustment:
    return Adjustment(ZERO, *bearing[:-1])


def _parts(amount: Money) -> Iterator[Money]:
    """Yield an amount, or the parts of one that is more than an entry can state: none for 0.00."""
    while abs(amount) > AMOUNT_MAX:
        part = AMOUNT_MAX.copy_sign(amount)
        yield part
        amount -= part
    if amount:
        yield amount


def _goes_in(moved: Posting | Adjustment) -> bool:
    return moved.amount > ZERO
