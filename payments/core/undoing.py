"""Undo of a decision on a finding: the reversing entries, and the line as it was before the decision (rule D6)."""

from collections.abc import Collection, Sequence
from datetime import date
from typing import NamedTuple

from payments.contract.money import ZERO
from payments.core.finding import FindingReason, apply_acknowledgement
from payments.core.line import EntryKind, LedgerPosting, Line, effective_postings
from payments.core.outcome import ClosedCase, ClosedMonth, Outcome, Posted, Removed, ZeroDue


class PostedEntry(NamedTuple):
    """An entry of the ledger: its row id, what was posted, and its kind."""

    id: int
    posting: LedgerPosting
    kind: EntryKind


class Reversal(NamedTuple):
    """An entry to post that reverses another. `reverses` is the row id of the reversed entry."""

    reverses: int
    posting: LedgerPosting
    kind: EntryKind


def reversals(posted: Sequence[PostedEntry], open_days: Collection[date], today: date) -> tuple[Reversal, ...]:
    """Return the entries that reverse the entries of an acceptance, the last of them first.

    A reversal has the deposit date of the entry that it reverses if that is one of `open_days`, otherwise `today`. It
    is an import if it reverses one on its own date; every other one is an adjustment.
    """
    return tuple(_reversal(entry, open_days, today) for entry in reversed(posted))


def _reversal(entry: PostedEntry, open_days: Collection[date], today: date) -> Reversal:
    amount, dimensions = entry.posting
    keeps_date = dimensions.deposit_date in open_days
    day = dimensions.deposit_date if keeps_date else today
    kind = entry.kind if keeps_date else EntryKind.ADJUSTMENT
    return Reversal(entry.id, LedgerPosting(-amount, dimensions._replace(deposit_date=day)), kind)


def is_accepted(line: Line) -> bool:
    """Return whether the line is as an acceptance left it: no newer version and no new evaluation changed it."""
    return isinstance(line.outcome, Posted | Removed) and line.outcome.is_accepted


def undo_acceptance(
    line: Line, reason: FindingReason, reversed_by: Sequence[LedgerPosting], hash_before: bytes | None
) -> Line:
    """Return an accepted line after these entries reversed its acceptance: it needs a decision again.

    `reason` is that of the finding, `hash_before` the line's `acknowledged_hash` before the acceptance.
    """
    line = line._replace(postings=line.postings + tuple(reversed_by), acknowledged_hash=hash_before)
    return line._replace(outcome=_undecided(line, reason))


def undo_acknowledgement(line: Line, hash_before: bytes | None) -> Line:
    """Return a line after its finding, which had been acknowledged, was reopened."""
    is_changed = apply_acknowledgement(line._replace(acknowledged_hash=None)).acknowledged_hash is not None
    return line._replace(acknowledged_hash=hash_before) if is_changed else line


def _undecided(line: Line, reason: FindingReason) -> Outcome:
    if reason is FindingReason.ZERO_DUE:
        return ZeroDue()
    target = line.outcome.target or ZERO
    if not target:
        case = ClosedCase.DELETED
    else:
        case = ClosedCase.EDITED if effective_postings(line.postings) else ClosedCase.ADDED
    return ClosedMonth(case, target, line.outcome.reason)
