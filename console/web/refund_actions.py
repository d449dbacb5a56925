"""Actions of users on refunds, from pages and the API: each is one transaction, with its audit entry."""

from console.repayment_wording import approved_message, issued_message, requested_message, voided_message
from console.web.context import RequestContext
from console.web.errors import PageError
from payments.journeys import repaying
from payments.journeys.repaying import Issue, Repayment, RepaymentError, RepaymentRequest, Void
from payments.store.db.connection import Transaction


def request(context: RequestContext, asked: RepaymentRequest) -> Repayment:
    """Request a refund, or record a returned payment. Raises the errors of `repaying.request`."""
    with context.transaction() as tx:
        done = repaying.request(tx, asked, context.now, context.user.audit_name, context.user.scope)
        _audit(tx, context, "requested refund", done, requested_message(done))
    return done


def approve(context: RequestContext, refund_id: int) -> Repayment:
    """Approve a refund. Raises RepaymentError or EntryError, and PageError (404) if the user may not see it."""
    with context.transaction() as tx:
        visible_refund(tx, context, refund_id)
        done = repaying.approve(tx, refund_id, context.now, context.user.audit_name, context.user.scope)
        _audit(tx, context, "approved refund", done, approved_message(done))
    return done


def issue(context: RequestContext, asked: Issue) -> Repayment:
    """Issue a refund. Raises RepaymentError or EntryError, and PageError (404) if the user may not see it."""
    with context.transaction() as tx:
        visible_refund(tx, context, asked.repayment_id)
        done = repaying.issue(tx, asked, context.now, context.user.audit_name, context.user.scope)
        _audit(tx, context, "issued refund", done, issued_message(done))
    return done


def void(context: RequestContext, asked: Void) -> Repayment:
    """Void a refund. Raises RepaymentError or EntryError, and PageError (404) if the user may not see it."""
    with context.transaction() as tx:
        visible_refund(tx, context, asked.repayment_id)
        done = repaying.void(tx, asked, context.now, context.user.audit_name, context.user.scope)
        message = f"{voided_message(done)} Reason: {asked.reason.strip()}"
        _audit(tx, context, "voided refund", done, message)
    return done


def visible_refund(tx: Transaction, context: RequestContext, refund_id: int) -> Repayment:
    """Return a refund with its payment. Raises PageError (404) if the user may not see it."""
    try:
        return repaying.show(tx, refund_id, context.user.scope)
    except RepaymentError as error:
        raise PageError(404, f"There is no refund {refund_id}.", "Reload the list of refunds.") from error


def _audit(tx: Transaction, context: RequestContext, action: str, done: Repayment, message: str) -> None:
    context.audit(tx, action, f"refund {done.stored.id}", message, done.stored.place.company_id)
