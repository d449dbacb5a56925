"""Actions of users on drawers, for pages and the API. Each action is one transaction, with an audit entry."""

from console.drawer_wording import closed_message, counted_message, opened_message
from console.web.context import RequestContext
from console.web.drawer_schemas import OpeningFields
from console.web.errors import PageError
from payments.core.drawer import DrawerCount, DrawerError
from payments.journeys import drawers
from payments.journeys.drawers import DrawerSheet, DrawerSummary, OpeningRequest, OpeningResult, Stamp, StoredDrawer
from payments.store.db.connection import Transaction


def open_drawer(context: RequestContext, fields: OpeningFields) -> OpeningResult:
    """Open a drawer. Raises DrawerError if a rule refuses it, or if the user cannot see the clinic."""
    with context.transaction() as tx:
        request = OpeningRequest(fields.clinic, fields.company, fields.day, fields.starting_cash)
        opened = drawers.open_drawer(tx, request, context.now, context.user.audit_name, context.user.scope)
        _audit(tx, context, "opened drawer", opened.drawer, opened_message(opened))
    return opened


def count(context: RequestContext, drawer_id: int, counted: DrawerCount) -> DrawerSummary:
    """Count a drawer. Raises DrawerError if refused, PageError (404) if the user cannot see the drawer."""
    with context.transaction() as tx:
        check_visible(tx, context, drawer_id)
        found = drawers.count(tx, drawer_id, counted, _stamp(context), context.user.scope)
        reason = f" Reason: {counted.reason.strip()}" if counted.reason.strip() else ""
        message = f"{counted_message(found)}{reason}"
        _audit(tx, context, "counted drawer", found.drawer, message)
    return found


def close(context: RequestContext, drawer_id: int) -> DrawerSummary:
    """Close a drawer. Raises DrawerError if refused, PageError (404) if the user cannot see the drawer."""
    with context.transaction() as tx:
        check_visible(tx, context, drawer_id)
        found = drawers.close(tx, drawer_id, _stamp(context), context.user.scope)
        _audit(tx, context, "closed drawer", found.drawer, closed_message(found))
    return found


def visible_sheet(tx: Transaction, context: RequestContext, drawer_id: int) -> DrawerSheet:
    """Return the day sheet of a drawer. Raises PageError (404) if the user cannot see it."""
    check_visible(tx, context, drawer_id)
    return drawers.show(tx, drawer_id, context.user.scope)


def check_visible(tx: Transaction, context: RequestContext, drawer_id: int) -> None:
    """Raise PageError (404) if the user cannot see a drawer."""
    try:
        drawers.find(tx, drawer_id, context.user.scope)
    except DrawerError as error:
        raise PageError(404, f"There is no drawer {drawer_id}.", "Choose one from the list of drawers.") from error


def _stamp(context: RequestContext) -> Stamp:
    return Stamp(context.now, context.user.audit_name)


def _audit(tx: Transaction, context: RequestContext, action: str, drawer: StoredDrawer, message: str) -> None:
    context.audit(tx, action, f"drawer {drawer.id}", message, drawer.company_id)
