"""Actions of users on manual entries, for pages and the API. Each action is one transaction, with an audit entry."""

from console.manual_entry_wording import linked_message, posted_message, reversed_message, unlinked_message
from console.web.context import RequestContext
from console.web.errors import PageError
from payments.journeys import linking, manual_entries
from payments.journeys.linking import LinkChange, LinkRequest, UnlinkRequest
from payments.journeys.manual_entries import EntryError, EntryRequest, PostedEntry, ReversalRequest, ReversalResult
from payments.store.db.connection import Transaction


def post(context: RequestContext, request: EntryRequest) -> PostedEntry:
    """Post a manual entry.

    Raises EntryError if a rule refuses it, or if it refers to data that the user cannot see, and AmbiguousIdError if
    several companies have the payment's key.
    """
    with context.transaction() as tx:
        posted = manual_entries.post(tx, request, context.now, context.user.audit_name, context.user.scope)
        _audit(tx, context, "posted manual entry", posted, posted_message(posted))
    return posted


def reverse(context: RequestContext, request: ReversalRequest) -> ReversalResult:
    """Reverse a manual entry. Raises EntryError if refused, PageError (404) if the user cannot see the entry."""
    with context.transaction() as tx:
        entry = visible_entry(tx, context, request.entry_id)
        done = manual_entries.reverse(tx, request, context.now, context.user.audit_name, context.user.scope)
        message = f"{reversed_message(done)} Reason: {request.reason.strip()}"
        _audit(tx, context, "reversed manual entry", entry, message)
    return done


def link(context: RequestContext, request: LinkRequest) -> LinkChange:
    """Link an entry to a payment.

    Raises the errors of `linking.link`, and PageError (404) if the user cannot see the entry.
    """
    with context.transaction() as tx:
        entry = visible_entry(tx, context, request.entry_id)
        done = linking.link(tx, request, context.now, context.user.audit_name, context.user.scope)
        _audit(tx, context, "linked manual entry", entry, linked_message(request.entry_id, done))
    return done


def unlink(context: RequestContext, request: UnlinkRequest) -> LinkChange:
    """End the link of an entry. Raises EntryError if refused, PageError (404) if the user cannot see the entry."""
    with context.transaction() as tx:
        entry = visible_entry(tx, context, request.entry_id)
        done = linking.unlink(tx, request, context.now, context.user.audit_name, context.user.scope)
        message = f"{unlinked_message(request.entry_id, done)} Reason: {request.reason.strip()}"
        _audit(tx, context, "unlinked manual entry", entry, message)
    return done


def visible_entry(tx: Transaction, context: RequestContext, entry_id: int) -> PostedEntry:
    """Return a manual entry with its payment. Raises PageError (404) if the user cannot see it."""
    try:
        return manual_entries.show(tx, entry_id, context.user.scope)
    except EntryError as error:
        raise PageError(404, f"There is no manual entry {entry_id}.", "Reload the account.") from error


def _audit(tx: Transaction, context: RequestContext, action: str, posted: PostedEntry, message: str) -> None:
    context.audit(tx, action, f"entry {posted.entry.id}", message, posted.entry.content.company_id)
