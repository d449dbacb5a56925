"""A patient's account: one sum across cases, what of it is unassigned, what is still owed, and every line."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from console.filters import Filter, Text
from console.visiting import PageError, Viewer
from payments.journeys import browsing, distributing
from payments.journeys.browsing import LogQuery

router = APIRouter(include_in_schema=False)

LINES_MAX = 500


class _Choice(Filter):
    patient: Text | None = None


@router.get("/account")
def show(choice: Annotated[_Choice, Query()], visit: Viewer) -> Response:
    """Show the account of a patient, or ask for one."""
    if choice.patient is None:
        return visit.page("account.html", patient=None)
    seen = visit.user.clinics
    with visit.site.ledger() as tx:
        accounts = distributing.show_account(tx, choice.patient, seen)
        if not accounts:
            raise PageError(404, f"No patient is known as {choice.patient}.", "Check the id on the Claims Feed.")
        named = [(each, distributing.show_name(tx, each)) for each in accounts]
        lines = browsing.log_page(tx, LogQuery(patient_id=choice.patient, clinics=seen), None, LINES_MAX)
        movements = distributing.show_movements(tx, choice.patient, seen)
        visit.note(tx, "viewed account", choice.patient)
    return visit.page(
        "account.html",
        patient=choice.patient,
        accounts=named,
        lines=[row for _, row in lines.rows],
        has_more=lines.has_more,
        movements=movements,
        is_limited=seen is not None,
    )
