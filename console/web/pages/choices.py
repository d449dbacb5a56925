"""The clinic names that filters on pages suggest."""

from console.web.context import RequestContext
from payments.journeys import configuring
from payments.store.db.connection import Transaction

OFFERED_MAX = 500
"""Each page carries the names that it offers; the field accepts any other name as well."""


def list_clinic_ids(tx: Transaction, context: RequestContext) -> list[str]:
    """Return the names of the clinics that the user may see, at most OFFERED_MAX."""
    return configuring.list_clinic_ids(tx, context.user.clinics, OFFERED_MAX)
