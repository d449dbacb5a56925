"""Messages about manual entries, for commands and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from payments.journeys.linking import LinkChange
    from payments.journeys.manual_entries import PostedEntry, ReversalResult


def posted_message(posted: PostedEntry) -> str:
    """Return the message for an entry that was posted."""
    entry = posted.entry
    if posted.was_posted_before:
        return f"Entry {entry.id} was posted before; nothing was posted."
    content = entry.content
    linked = f", linked to {posted.payment}" if posted.payment else ""
    amount = f"{content.amount:,} {content.method} with deposit date {content.deposit_date}"
    return f"Entry {entry.id} of patient {content.patient_id}: posted {amount}{linked}."


def reversed_message(done: ReversalResult) -> str:
    """Return the message for an entry that was reversed."""
    if done.was_reversed_before:
        return f"Entry {done.entry.id} was reversed before by entry {done.reversal.id}; nothing was changed."
    content = done.reversal.content
    amount = f"{content.amount:,} {content.method} with deposit date {content.deposit_date}"
    return f"Entry {done.entry.id} reversed by entry {done.reversal.id}: posted {amount}."


def linked_message(entry_id: int, done: LinkChange) -> str:
    """Return the message for an entry that was linked to a payment."""
    if done.was_changed_before:
        return f"Entry {entry_id} was linked to {done.payment} before; nothing was changed."
    return f"Entry {entry_id} linked to {done.payment}. {_difference(done)}"


def unlinked_message(entry_id: int, done: LinkChange) -> str:
    """Return the message for an entry whose link to a payment was ended."""
    return f"Entry {entry_id} unlinked from {done.payment}. {_difference(done)}"


def _difference(done: LinkChange) -> str:
    if done.is_settled:
        return "No difference remains."
    return f"Remaining difference: {done.difference:,}."
