"""A patient's account: one sum across cases, what of it is unassigned, what is still owed, and every line."""

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
    """Show the account of a patient, or ask for one."""
    if choice.patient is None:
        return context.page("account.html", patient=None)
    seen = context.user.clinics
    with context.app.snapshot_transaction() as tx:
        moved = distributing.show_movements(tx, choice.patient, seen)
        accounts = [_opened(tx, row, moved, seen) for row in distributing.show_account(tx, choice.patient, seen)]
        context.audit(tx, "viewed account", choice.patient)
    if not accounts:
        raise PageError(404, f"No patient is known as {choice.patient}.", "Check the id on the Claims Feed.")
    return context.page("account.html", patient=choice.patient, accounts=accounts, is_limited=seen is not None)


class _Opened(NamedTuple):
    """An account with its lines; two companies that use the same id have two."""

    sums: AccountRow
    name: str | None
    lines: Sequence[LogRow]
    has_more: bool
    movements: Sequence[MovementRow]


def _opened(tx: Transaction, row: AccountRow, moved: Sequence[MovementRow], seen: Sequence[str] | None) -> _Opened:
    query = LogFilter(patient_id=row.patient, company_id=row.company, clinics=seen)
    lines = reporting.payment_log_page(tx, query, None, LINES_MAX)
    return _Opened(
        row,
        distributing.show_name(tx, row),
        [each.row for each in lines.rows],
        lines.has_more,
        [each for each in moved if each.company == row.company],
    )
