"""The ids of clinics and companies that the filters of pages offer."""

from typing import NamedTuple

from console.web.context import RequestContext
from payments.journeys import configuring
from payments.store.db.connection import Transaction

OFFERED_MAX = 500
"""Maximum number of ids that a page contains. In a field with this many, any other known id can be entered too."""
CHOSEN_MAX = 100
"""Up to this number, ids are a list to choose from. In a longer list, typing an id is faster than finding it."""


class OfferedIds(NamedTuple):
    """The ids that a page offers. The page has a field for the company only if it offers several companies.

    Up to `chosen_max` ids are a list to choose from. More ids are suggested while the user types.
    """

    clinics: list[str]
    companies: list[str]
    chosen_max: int


def list_offered_ids(tx: Transaction, context: RequestContext) -> OfferedIds:
    """Return the clinics and companies that the user may see, sorted. Return at most OFFERED_MAX of each."""
    scope = context.user.scope
    return OfferedIds(
        configuring.list_clinic_ids(tx, scope, OFFERED_MAX),
        configuring.list_company_ids(tx, scope, OFFERED_MAX),
        min(CHOSEN_MAX, OFFERED_MAX - 1),
    )
