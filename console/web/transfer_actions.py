"""Actions of users on transfers, for pages and the API. Each action is one transaction, with an audit entry."""

from console.transfer_wording import made_message, undone_message
from console.web.context import RequestContext
from console.web.errors import PageError
from payments.journeys import transferring
from payments.journeys.transferring import Transfer, TransferError, TransferRequest, Undo
from payments.store.db.connection import Transaction


def make(context: RequestContext, asked: TransferRequest) -> Transfer:
    """Move money between accounts. Raises the errors of `transferring.make`."""
    with context.transaction() as tx:
        done = transferring.make(tx, asked, context.now, context.user.audit_name, context.user.scope)
        _audit(tx, context, "made transfer", done, f"{made_message(done)} Reason: {done.stored.reason}")
    return done


def undo(context: RequestContext, asked: Undo) -> Transfer:
    """Undo a transfer. Raises TransferError or EntryError, and PageError (404) if the user cannot see it."""
    with context.transaction() as tx:
        visible_transfer(tx, context, asked.transfer_id)
        done = transferring.undo(tx, asked, context.now, context.user.audit_name, context.user.scope)
        _audit(tx, context, "undid transfer", done, f"{undone_message(done)} Reason: {asked.reason.strip()}")
    return done


def visible_transfer(tx: Transaction, context: RequestContext, transfer_id: int) -> Transfer:
    """Return a transfer with its payment. Raises PageError (404) if the user cannot see it."""
    try:
        return transferring.show(tx, transfer_id, context.user.scope)
    except TransferError as error:
        raise PageError(404, f"There is no transfer {transfer_id}.", "Reload the list of transfers.") from error


def _audit(tx: Transaction, context: RequestContext, action: str, done: Transfer, message: str) -> None:
    context.audit(tx, action, f"transfer {done.stored.id}", message, done.stored.company_id)
