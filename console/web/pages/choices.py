"""The clinic and company ids that filters on pages suggest."""

from typing import NamedTuple

from console.web.context import RequestContext
from payments.journeys import configuring
from payments.store.db.connection import Transaction

OFFERED_MAX = 500
"""Each page contains the ids that it offers; the fields accept any other id as well."""


class OfferedIds(NamedTuple):
    """The ids that a page offers. It has a field for the company only if it offers several companies."""

    clinics: list[str]
    companies: list[str]


def list_offered_ids(tx: Transaction, context: RequestContext) -> OfferedIds:
    """Return the clinics and companies that the user may see, sorted; at most OFFERED_MAX of each."""
    scope = context.user.scope
    return OfferedIds(
        configuring.list_clinic_ids(tx, scope, OFFERED_MAX), configuring.list_company_ids(tx, scope, OFFERED_MAX)
    )
