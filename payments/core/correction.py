"""What to post so that the ledger says what the EMR says; every correction of money is d = T - P."""

from collections.abc import Iterable, Iterator, Sequence

from payments.contract.money import AMOUNT_MAX, ZERO, Money, sums, total
from payments.core.line import Adjustment, EntryDimensions, LedgerPosting


def correcting_postings(standing: Sequence[LedgerPosting], wanted: LedgerPosting | None) -> tuple[LedgerPosting, ...]:
    """Return the postings that turn what stands into what is wanted (None: nothing should stand).

    Where only the amount changed this is the difference alone; where the money belongs elsewhere it is a pair, what
    stood taken out and what is wanted put in. Amounts going out come first.
    """
    if total(posting.amount for posting in standing) == ZERO:
        return (wanted,) if wanted else ()
    change = sums(_changes(standing, wanted))
    moved = [LedgerPosting(part, dimensions) for dimensions, amount in change.items() for part in _parts(amount)]
    return tuple(sorted(moved, key=_goes_in))


def adjusting_entries(standing: Sequence[LedgerPosting], wanted: LedgerPosting | None) -> tuple[Adjustment, ...]:
    """Return what to add in a later month so that the sums say what is wanted (None: nothing), whatever its dates.

    The entries that stand are not touched (rule D4): one entry of d = T - P where only the amount changed, a pair where
    the money belongs elsewhere, none where only the date or a note changed.
    """
    change = sums((_undated(dimensions), amount) for dimensions, amount in _changes(standing, wanted))
    moved = [where._replace(amount=part) for where, amount in change.items() for part in _parts(amount)]
    return tuple(sorted(moved, key=_goes_in))


def effective_postings(standing: Iterable[LedgerPosting]) -> tuple[LedgerPosting, ...]:
    """Return the postings of a line that still count: none once they add up to 0.00."""
    postings = tuple(standing)
    return postings if total(posting.amount for posting in postings) else ()


def _changes(
    standing: Iterable[LedgerPosting], wanted: LedgerPosting | None
) -> Iterator[tuple[EntryDimensions, Money]]:
    """Yield what each posting that stands takes out again, and what is wanted instead."""
    for amount, dimensions in standing:
        yield dimensions, -amount
    if wanted:
        yield wanted.dimensions, wanted.amount


def _undated(dimensions: EntryDimensions) -> Adjustment:
    return Adjustment(ZERO, *dimensions[:-1])


def _parts(amount: Money) -> Iterator[Money]:
    """Yield an amount, or the parts of one that is more than an entry can state: none for 0.00."""
    while abs(amount) > AMOUNT_MAX:
        part = AMOUNT_MAX.copy_sign(amount)
        yield part
        amount -= part
    if amount:
        yield amount


def _goes_in(moved: LedgerPosting | Adjustment) -> bool:
    return moved.amount > ZERO
