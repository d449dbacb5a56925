"""What the lists of a page's filter offer."""

from console.visiting import Visit
from payments.journeys import configuring
from payments.store.session import Transaction


def clinic_names(tx: Transaction, visit: Visit) -> list[str]:
    """Return the clinics that the visitor may see."""
    return configuring.clinic_names(tx, visit.user.clinics)
