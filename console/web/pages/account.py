"""A patient's account: total payments across cases, unassigned money, balance, and every entry."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query, Response

from console.web.auth import Viewer
from console.web.errors import PageError
from console.web.filters import Filter, Text
from payments.journeys import distributing, reporting
from payments.journeys.distributing import AccountRow, MovementRow
from payments.journeys.reporting import LogFilter, LogRow
from payments.store.db.connection import Transaction

router = APIRouter(include_in_schema=False)

LINES_MAX = 500


class _Choice(Filter):
    patient: Text | None = None


@router.get("/account")
def show(choice: Annotated[_Choice, Query()], context: Viewer) -> Response:
    """Show the account of a patient, or the search form."""
    if choice.patient is None:
        return context.page("account.html", patient=None)
    visible = context.user.clinics
    with context.app.snapshot_transaction() as tx:
        movements = distributing.show_movements(tx, choice.patient, visible)
        accounts = [
            _read_account(tx, row, movements, visible) for row in distributing.show_account(tx, choice.patient, visible)
        ]
        context.audit(tx, "viewed account", choice.patient)
    if not accounts:
        raise PageError(404, f"There is no patient {choice.patient}.", "Check the patient id in the Claims Feed.")
    return context.page("account.html", patient=choice.patient, accounts=accounts, is_limited=visible is not None)


class _Account(NamedTuple):
    """An account with its entries. A patient id that two companies use has two accounts."""

    sums: AccountRow
    name: str | None
    lines: Sequence[LogRow]
    has_more: bool
    movements: Sequence[MovementRow]


def _read_account(
    tx: Transaction, row: AccountRow, movements: Sequence[MovementRow], visible: Sequence[str] | None
) -> _Account:
    query = LogFilter(patient_id=row.patient, company_id=row.company, clinics=visible)
    lines = reporting.payment_log_page(tx, query, None, LINES_MAX)
    return _Account(
        row,
        distributing.show_name(tx, row),
        [each.row for each in lines.rows],
        lines.has_more,
        [each for each in movements if each.company == row.company],
    )
