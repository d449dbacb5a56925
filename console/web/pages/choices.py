"""The clinic ids that filters on pages suggest."""

from console.web.context import RequestContext
from payments.journeys import configuring
from payments.store.db.connection import Transaction

OFFERED_MAX = 500
"""Each page contains the clinic ids that it offers; the field accepts any other id as well."""


def list_clinic_ids(tx: Transaction, context: RequestContext) -> list[str]:
    """Return the ids of the clinics that the user may see, sorted; at most OFFERED_MAX."""
    return configuring.list_clinic_ids(tx, context.user.scope, OFFERED_MAX)
