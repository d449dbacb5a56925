"""A patient's account: one sum across cases, what of it is unassigned, what is still owed, and every line."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query, Response

from console.filters import Filter, Text
from console.visiting import PageError, Viewer, Visit
from payments.journeys import browsing, distributing
from payments.journeys.browsing import LogQuery, LogRow
from payments.journeys.distributing import AccountRow, MovementRow
from payments.store.session import Transaction

router = APIRouter(include_in_schema=False)

LINES_MAX = 500


class _Choice(Filter):
    patient: Text | None = None


@router.get("/account")
def show(choice: Annotated[_Choice, Query()], visit: Viewer) -> Response:
    """Show the account of a patient, or ask for one."""
    if choice.patient is None:
        return visit.page("account.html", patient=None)
    with visit.site.ledger() as tx:
        accounts = [
            _opened(tx, visit, row) for row in distributing.show_account(tx, choice.patient, visit.user.clinics)
        ]
        visit.note(tx, "viewed account", choice.patient)
    if not accounts:
        raise PageError(404, f"No patient is known as {choice.patient}.", "Check the id on the Claims Feed.")
    is_limited = visit.user.clinics is not None
    return visit.page("account.html", patient=choice.patient, accounts=accounts, is_limited=is_limited)


class _Opened(NamedTuple):
    """An account with its lines; two companies that use the same id have two."""

    sums: AccountRow
    name: str | None
    lines: Sequence[LogRow]
    has_more: bool
    movements: Sequence[MovementRow]


def _opened(tx: Transaction, visit: Visit, row: AccountRow) -> _Opened:
    seen = visit.user.clinics
    query = LogQuery(patient_id=row.patient, company_id=row.company, clinics=seen)
    lines = browsing.log_page(tx, query, None, LINES_MAX)
    moved = distributing.show_movements(tx, row.patient, seen)
    return _Opened(
        row,
        distributing.show_name(tx, row),
        [line for _, line in lines.rows],
        lines.has_more,
        [each for each in moved if each.company == row.company],
    )
