"""What to post so that the ledger says what the EMR says; every correction of money is d = T - P."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from payments.core.line import Bearing, Posting
from payments.core.money import ZERO, Money, total


def corrections(standing: Sequence[Posting], wanted: Posting | None) -> tuple[Posting, ...]:
    """Return the postings that turn what stands into what is wanted (None: nothing should stand).

    Where only the amount changed this is the difference alone; where the money belongs elsewhere it is a pair, what
    stood taken out and what is wanted put in. Amounts going out come first.
    """
    if total(posting.amount for posting in standing) == ZERO:
        return (wanted,) if wanted else ()
    change: dict[Bearing, Money] = defaultdict(lambda: ZERO)
    for amount, bearing in standing:
        change[bearing] -= amount
    if wanted:
        change[wanted.bearing] += wanted.amount
    moved = [Posting(amount, bearing) for bearing, amount in change.items() if amount]
    return tuple(sorted(moved, key=_goes_in))


def active(standing: Iterable[Posting]) -> tuple[Posting, ...]:
    """Return the postings of a line that still count: none once they add up to 0.00."""
    postings = tuple(standing)
    return postings if total(posting.amount for posting in postings) else ()


def _goes_in(posting: Posting) -> bool:
    return posting.amount > ZERO
