"""What the lists of a page's filter offer."""

from console.web.context import RequestContext
from payments.journeys import configuring
from payments.store.db.connection import Transaction

OFFERED_MAX = 500
"""A page carries all that it offers; the field takes any other name as well."""


def clinic_names(tx: Transaction, context: RequestContext) -> list[str]:
    """Return the clinics that the visitor may see, the first of them where they are many."""
    return configuring.clinic_names(tx, context.user.clinics, OFFERED_MAX)
