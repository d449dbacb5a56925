"""Actions of users on deposits, for pages and the API. Each action is one transaction, with an audit entry."""

from console.deposit_wording import made_message, reversed_message
from console.web.context import RequestContext
from console.web.errors import PageError
from payments.core.deposit import DepositDraft, DepositError
from payments.journeys import deposits
from payments.journeys.deposits import DepositReversal, DepositSlip
from payments.store.db.connection import Transaction


def make(context: RequestContext, draft: DepositDraft) -> DepositSlip:
    """Make a deposit. Raises DepositError if a rule refuses it, or if it refers to data that the user cannot see."""
    with context.transaction() as tx:
        slip = deposits.make(tx, draft, context.now, context.user.audit_name, context.user.scope)
        _audit(tx, context, "made deposit", slip, made_message(slip))
    return slip


def reverse(context: RequestContext, reversal: DepositReversal) -> DepositSlip:
    """Reverse a deposit. Raises DepositError if refused, PageError (404) if the user cannot see the deposit."""
    with context.transaction() as tx:
        visible_slip(tx, context, reversal.deposit_id)
        slip = deposits.reverse(tx, reversal, context.now, context.user.audit_name, context.user.scope)
        _audit(tx, context, "reversed deposit", slip, f"{reversed_message(slip)} Reason: {reversal.reason.strip()}")
    return slip


def visible_slip(tx: Transaction, context: RequestContext, deposit_id: int) -> DepositSlip:
    """Return a deposit with its entries. Raises PageError (404) if the user cannot see it."""
    try:
        return deposits.show(tx, deposit_id, context.user.scope)
    except DepositError as error:
        raise PageError(404, f"There is no deposit {deposit_id}.", "Choose one from the list of deposits.") from error


def _audit(tx: Transaction, context: RequestContext, action: str, slip: DepositSlip, message: str) -> None:
    context.audit(tx, action, f"deposit {slip.deposit.id}", message, slip.deposit.company_id)
