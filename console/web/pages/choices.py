"""What the lists of a page's filter offer."""

from console.web.visiting import Visit
from payments.journeys import configuring
from payments.store.db.connection import Transaction

OFFERED_MAX = 500
"""A page carries all that it offers; the field takes any other name as well."""


def clinic_names(tx: Transaction, visit: Visit) -> list[str]:
    """Return the clinics that the visitor may see, the first of them where they are many."""
    return configuring.clinic_names(tx, visit.user.clinics, OFFERED_MAX)
