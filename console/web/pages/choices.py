"""The ids of clinics and companies that the filters of pages offer."""

from typing import NamedTuple

from console.web.context import RequestContext
from payments.journeys import configuring
from payments.store.db.connection import Transaction

OFFERED_MAX = 500
"""Maximum number of ids that a page contains for a field. If there are more, users can also enter an id by hand."""
CHOSEN_MAX = 100
"""Maximum number of ids in a list to choose from. With more ids, users type, because searching a list is slower."""


class OfferedIds(NamedTuple):
    """The clinic and company ids that the filters of a page offer.

    A page has no company field if there is only one company. Up to `chosen_max` ids are shown as a list; more are
    suggested while the user types.
    """

    clinics: list[str]
    companies: list[str]
    chosen_max: int


def list_offered_ids(tx: Transaction, context: RequestContext, company: str | None = None) -> OfferedIds:
    """Return the clinics and companies that the user may see, sorted. Return at most OFFERED_MAX of each.

    With `company`, return only that company and its clinics.
    """
    scope = context.user.scope.narrowed_to_company(company)
    return OfferedIds(
        configuring.list_clinic_ids(tx, scope, OFFERED_MAX),
        configuring.list_company_ids(tx, scope, OFFERED_MAX),
        min(CHOSEN_MAX, OFFERED_MAX - 1),
    )
