"""The clinic and company ids that filters on pages suggest."""

from typing import NamedTuple

from console.web.context import RequestContext
from payments.journeys import configuring
from payments.store.db.connection import Transaction

OFFERED_MAX = 500
"""Each page contains the ids that it offers. A field with so many suggests them, and accepts any other known id."""
CHOSEN_MAX = 100
"""Up to so many ids are a list to choose from. In a longer one, people find an id faster by typing."""


class OfferedIds(NamedTuple):
    """The ids that a page offers. The page has a field for the company only if it offers several companies.

    Up to `chosen_max` ids are a list to choose from. More ids are suggested while the user types.
    """

    clinics: list[str]
    companies: list[str]
    chosen_max: int


def list_offered_ids(tx: Transaction, context: RequestContext) -> OfferedIds:
    """Return the clinics and companies that the user may see, sorted, and at most OFFERED_MAX of each."""
    scope = context.user.scope
    return OfferedIds(
        configuring.list_clinic_ids(tx, scope, OFFERED_MAX),
        configuring.list_company_ids(tx, scope, OFFERED_MAX),
        min(CHOSEN_MAX, OFFERED_MAX - 1),
    )
