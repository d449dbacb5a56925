"""Corrections: the entries that make the ledger agree with the EMR.

Every correction of an amount is d = T - P: the target less the posted amount (rule D1).
"""

from collections.abc import Iterable, Iterator, Sequence

from payments.contract.money import AMOUNT_MAX, ZERO, Money, sum_by_key
from payments.core.line import Adjustment, EntryDimensions, LedgerPosting, effective_postings


def correcting_postings(posted: Sequence[LedgerPosting], target: LedgerPosting | None) -> tuple[LedgerPosting, ...]:
    """Return the postings that correct `posted` to `target` in open months (rule D3).

    `posted` are all postings of the line, oldest first. `target` is None if nothing should remain posted. If only the
    amount changed, return one posting of the difference. If a dimension changed, return reversals with the old
    dimensions, then a posting with the new ones. If `posted` already equals the target, return nothing.
    """
    if not posted:  # fast path for new lines
        return tuple(LedgerPosting(part, target.dimensions) for part in _split(target.amount)) if target else ()
    change = sum_by_key(_differences(effective_postings(posted), target))
    changed = [LedgerPosting(part, dimensions) for dimensions, amount in change.items() for part in _split(amount)]
    # Negative postings come first. Among postings of one sign, those with the new dimensions come last, so that a
    # reversal cancels the posting that it reverses.
    goal = target.dimensions if target else None
    return tuple(sorted(changed, key=lambda each: (_is_positive(each), each.dimensions == goal)))


def adjusting_entries(posted: Sequence[LedgerPosting], target: LedgerPosting | None) -> tuple[Adjustment, ...]:
    """Return the adjusting entries that correct `posted` to `target` after a month was closed (rule D4).

    `target` is None if nothing should remain posted. The entries of the closed month stay as they are. If only the
    amount changed, return one entry of d = T - P. If a dimension other than the deposit date changed, return a reversal
    and a new entry. If only the deposit date or a note changed, return nothing. A biller chooses the deposit date on
    acceptance.
    """
    differences = _differences(posted, target)
    change = sum_by_key((_zero_adjustment(dimensions), amount) for dimensions, amount in differences)
    changed = [undated._replace(amount=part) for undated, amount in change.items() for part in _split(amount)]
    return tuple(sorted(changed, key=_is_positive))


def _differences(
    posted: Iterable[LedgerPosting], target: LedgerPosting | None
) -> Iterator[tuple[EntryDimensions, Money]]:
    """Yield a reversal of each posting, then the target. Amounts with equal dimensions are added up."""
    for amount, dimensions in posted:
        yield dimensions, -amount
    if target:
        yield target.dimensions, target.amount


def _zero_adjustment(dimensions: EntryDimensions) -> Adjustment:
    return Adjustment(
        amount=ZERO,
        patient_id=dimensions.patient_id,
        charge_type=dimensions.charge_type,
        method=dimensions.method,
        provider_id=dimensions.provider_id,
        date_of_service=dimensions.date_of_service,
    )


def _split(amount: Money) -> Iterator[Money]:
    """Split an amount into parts that do not exceed the limit of an entry. 0.00 has no part."""
    while abs(amount) > AMOUNT_MAX:
        part = AMOUNT_MAX.copy_sign(amount)
        yield part
        amount -= part
    if amount:
        yield amount


def _is_positive(posting: LedgerPosting | Adjustment) -> bool:
    return posting.amount > ZERO
