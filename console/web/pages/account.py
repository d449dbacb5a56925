"""The page of a patient's account: total payments of all cases, unassigned amount, balance, and every entry."""

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Depends, Response

from console.reports.account import ACCOUNT, APPLIED, REFUNDS, AccountParameters
from console.reports.payment_log import PAYMENT_LOG
from console.web.auth import Viewer
from console.web.errors import PageError
from console.web.filters import ReportQuery, optional_report_query
from console.web.pages.choices import list_offered_ids
from payments.journeys import distributing, noting, reporting
from payments.journeys.distributing import AccountRow, AllocationRow, RefundRow
from payments.journeys.noting import Note, NoteSubject
from payments.journeys.reporting import PaymentLogFilter, PaymentLogRow, Window
from payments.store.db.connection import Transaction

router = APIRouter(include_in_schema=False)

LINES_MAX = 500


@router.get("/account")
def show(
    query: Annotated[ReportQuery[AccountParameters] | None, Depends(optional_report_query(AccountParameters))],
    context: Viewer,
) -> Response:
    """Show the account of a patient. Without a patient, show the search form.

    Raises PageError (404) if there is no such patient.
    """
    reports: dict[str, Any] = {"report": ACCOUNT, "payments": PAYMENT_LOG, "applied": APPLIED, "refunds": REFUNDS}
    if query is None:
        with context.transaction() as tx:
            offered = list_offered_ids(tx, context)
        return context.page("account.html", patient=None, chosen=None, offered=offered, **reports)
    chosen = query.parameters
    scope = context.user.scope.narrowed_to_company(chosen.company)
    patient, as_of = chosen.patient, chosen.as_of
    with context.snapshot_transaction() as tx:
        rows = distributing.show_account(tx, patient, scope, as_of)
        accounts = [_read_account(tx, row, chosen.payments_query(row, scope)) for row in rows]
        offered = list_offered_ids(tx, context)
        context.audit(tx, "viewed account", patient)
    if not accounts:
        raise PageError(404, f"There is no patient {patient}.", "Check the patient id in the Claims Feed.")
    is_limited = scope.clinics is not None
    return context.page(
        "account.html",
        patient=patient,
        chosen=chosen,
        accounts=accounts,
        is_limited=is_limited,
        offered=offered,
        **reports,
    )


class _Account(NamedTuple):
    """An account with its entries. If two companies use the same patient id, each company has its own account."""

    sums: AccountRow
    lines: Sequence[PaymentLogRow]
    has_more: bool
    allocations: Sequence[AllocationRow]
    refunds: Sequence[RefundRow]
    notes: Sequence[Note]


def _read_account(tx: Transaction, row: AccountRow, log_filter: PaymentLogFilter) -> _Account:
    page = reporting.payment_log_page(tx, log_filter, Window(LINES_MAX))
    return _Account(
        row,
        [each.row for each in page.rows],
        page.has_more,
        [*distributing.show_allocations(tx, row, log_filter.scope, log_filter.as_of)],
        distributing.show_refunds_to_check(tx, row, log_filter.scope, log_filter.as_of),
        noting.list_notes(tx, [NoteSubject(row.company, patient_id=row.patient)]),
    )
