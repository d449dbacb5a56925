"""Link a manual entry to the payment for which it was posted by hand, and end such a link (rule D4)."""

from datetime import datetime
from typing import NamedTuple

from payments.core.manual_entry import EntryError
from payments.core.scope import EVERYTHING, Scope
from payments.store.db.connection import Transaction
from payments.store.feed import link_targets
from payments.store.feed.link_targets import LinkTarget
from payments.store.ledger import clinics, linked_entries, manual_entries
from payments.store.ledger.linked_entries import LinkChange
from payments.store.ledger.manual_entries import PostingStamp

__all__ = ["EntryError", "LinkChange", "LinkTarget"]


class LinkRequest(NamedTuple):
    """A request to link the manual entry `entry_id` to the payment that `target` names."""

    entry_id: int
    target: LinkTarget


def link(tx: Transaction, request: LinkRequest, now: datetime, who: str, scope: Scope = EVERYTHING) -> LinkChange:
    """Link a manual entry to the payment for which it was posted by hand. A second call changes nothing.

    Raises EntryError if the entry was reversed or is a reversal, if it is linked to another payment, if it belongs to
    another patient or clinic, or if the payment has no difference of a closed month. Raises AmbiguousIdError if several
    companies have the payment's key. Locks the entry, then the line.
    """
    manual_entries.lock(tx, str(request.entry_id))
    entry = manual_entries.find(tx, request.entry_id, scope)
    line = link_targets.lock(tx, request.target, scope)
    if entry.line_ref == line.id:
        return linked_entries.link_change_of(line, was_changed_before=True)
    if entry.line_ref is not None:
        raise EntryError(f"entry {entry.id} is linked to another payment; unlink it first")
    if entry.reversed_by is not None or entry.reverses is not None:
        raise EntryError(f"entry {entry.id} was reversed or is a reversal; it belongs to no payment")
    linked_entries.check_linkable(entry.content, line)
    today = clinics.local_date(tx, line.company_id, now)
    return linked_entries.attach(tx, entry, line, request.target.finding_id, PostingStamp(today, now, who))


class UnlinkRequest(NamedTuple):
    """A request to end the link of the manual entry `entry_id` to its payment, with the reason."""

    entry_id: int
    reason: str


def unlink(tx: Transaction, request: UnlinkRequest, now: datetime, who: str, scope: Scope = EVERYTHING) -> LinkChange:
    """End the link of a manual entry to its payment. If Billing then lacks money, the payment's exception opens again.

    Raises EntryError if the reason is blank, or if the entry is not linked. Locks the entry, then the line.
    """
    reason = request.reason.strip()
    if not reason:
        raise EntryError("a reason is needed to unlink an entry")
    manual_entries.lock(tx, str(request.entry_id))
    entry = manual_entries.find(tx, request.entry_id, scope)
    if entry.line_ref is None:
        raise EntryError(f"entry {entry.id} is not linked to a payment")
    manual_entries.check_has_not_moved(tx, entry.content.company_id)
    today = clinics.local_date(tx, entry.content.company_id, now)
    return linked_entries.detach(tx, entry, reason, PostingStamp(today, now, who))
