"""Undo a decision on a finding (rule D6): compute the reversing entries, and the line after the undo.

The line then needs a decision again.
"""

from collections.abc import Collection, Sequence
from datetime import date
from typing import NamedTuple

from payments.contract.money import ZERO
from payments.core.finding import FindingReason, apply_acknowledgement
from payments.core.line import EntryKind, LedgerPosting, Line, effective_postings
from payments.core.outcome import ClosedCase, ClosedMonth, Outcome, Posted, Removed, ZeroDue


class PostedEntry(NamedTuple):
    """An entry of the ledger: its row id, its posting and its kind."""

    id: int
    posting: LedgerPosting
    kind: EntryKind


class Reversal(NamedTuple):
    """An entry to post that reverses another entry. `reverses` is the row id of the reversed entry."""

    reverses: int
    posting: LedgerPosting
    kind: EntryKind


def reversals(posted: Sequence[PostedEntry], open_days: Collection[date], today: date) -> tuple[Reversal, ...]:
    """Return the entries that reverse the entries of an acceptance. The last entry is reversed first.

    If the deposit date of an entry is one of `open_days`, its reversal has the same deposit date and kind. Otherwise
    the reversal is an adjustment dated `today`.
    """
    return tuple(_reversal(entry, open_days, today) for entry in reversed(posted))


def _reversal(entry: PostedEntry, open_days: Collection[date], today: date) -> Reversal:
    amount, dimensions = entry.posting
    keeps_date = dimensions.deposit_date in open_days
    day = dimensions.deposit_date if keeps_date else today
    kind = entry.kind if keeps_date else EntryKind.ADJUSTMENT
    return Reversal(entry.id, LedgerPosting(-amount, dimensions._replace(deposit_date=day)), kind)


def is_accepted(line: Line) -> bool:
    """Return whether the line still has the outcome of an acceptance, and was not saved or evaluated again since."""
    return isinstance(line.outcome, Posted | Removed) and line.outcome.is_accepted


def undo_acceptance(
    line: Line, reason: FindingReason, reversed_by: Sequence[LedgerPosting], hash_before: bytes | None
) -> Line:
    """Return an accepted line after its acceptance was undone. The line needs a decision again.

    `reason` is the finding's reason. `reversed_by` are the postings that reversed the acceptance. `hash_before` is the
    line's `acknowledged_hash` from before the acceptance.
    """
    line = line._replace(postings=line.postings + tuple(reversed_by), acknowledged_hash=hash_before)
    return line._replace(outcome=outcome_to_decide(line, reason))


def undo_acknowledgement(line: Line, hash_before: bytes | None) -> Line:
    """Return a line after the acknowledgement of its finding was undone.

    `hash_before` is the line's `acknowledged_hash` from before the acknowledgement.
    """
    is_changed = apply_acknowledgement(line._replace(acknowledged_hash=None)).acknowledged_hash is not None
    return line._replace(acknowledged_hash=hash_before) if is_changed else line


def outcome_to_decide(line: Line, reason: FindingReason) -> Outcome:
    """Return the outcome of a line that needs a decision for this reason. A ClosedMonth has the line's target."""
    if reason is FindingReason.ZERO_DUE:
        return ZeroDue()
    target = line.outcome.target or ZERO
    if not target:
        case = ClosedCase.DELETED
    else:
        case = ClosedCase.EDITED if effective_postings(line.postings) else ClosedCase.ADDED
    return ClosedMonth(case, target, line.outcome.reason)
