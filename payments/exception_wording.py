"""Wording of actions on Billing Exceptions: what an action did, as text for users. It decides nothing.

The functions `*_result` return the end of a sentence. `sentence` adds the exception and its payment before this end.
"""

from collections.abc import Sequence

from payments.contract.money import ZERO, Money
from payments.core.line import LedgerPosting
from payments.journeys.adjusting import AcceptanceResult
from payments.journeys.undoing import UndoResult

ACKNOWLEDGED_RESULT = "acknowledged; nothing was posted"


def sentence(finding_id: int, payment: str, result: str) -> str:
    """Return the sentence that an action on an exception had this result. `payment` is the payment's printed key."""
    return f"Exception {finding_id} of {payment} {result}."


def acceptance_result(accepted: AcceptanceResult) -> str:
    """Return what accepting an exception did."""
    if accepted.was_accepted_before:
        return "was accepted before; nothing was posted"
    if not accepted.postings:
        return "accepted; nothing to post"
    return f"accepted: posted {_entries(accepted.postings)}{_dates(accepted.postings)}"


def acceptance_preview(accepted: AcceptanceResult) -> str:
    """Return what accepting an exception would do, from the result of an acceptance that was rolled back."""
    if accepted.was_accepted_before:
        return "was accepted before; nothing to post"
    if not accepted.postings:
        return "would be accepted; nothing to post"
    return f"would be accepted: would post {_entries(accepted.postings)}{_dates(accepted.postings)}"


def assignment_result(owner: str | None) -> str:
    """Return what assigning an exception did. `owner` is the new owner, None if the exception has none now."""
    return f"assigned to {owner}" if owner else "now without an owner"


def undo_result(undone: UndoResult, *, is_preview: bool = False) -> str:
    """Return the sentence about undoing the decision on an exception. With `is_preview`, it says what would happen."""
    if undone.was_undone_before:
        return "was undone before" if is_preview else "was undone before; nothing was changed"
    opened = "would be opened again" if is_preview else "is open again"
    if not undone.postings:
        return opened
    return f"{opened}, and {_entries(undone.postings)} posted{_dates(undone.postings)}"


def format_dollars(amount: Money) -> str:
    """Return an amount with thousands separators, for a sentence: `-$1,234.00`."""
    return f"{'-' if amount < ZERO else ''}${abs(amount):,.2f}"


def _entries(postings: Sequence[LedgerPosting]) -> str:
    return ", ".join(f"{format_dollars(each.amount)} {each.dimensions.method}" for each in postings)


def _dates(postings: Sequence[LedgerPosting]) -> str:
    return f" with deposit date {', '.join(sorted({str(each.dimensions.deposit_date) for each in postings}))}"
