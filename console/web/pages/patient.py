"""The printable page of a patient's balance and payments, which the front desk shows to the patient."""

from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Response

from console.reports.front_desk import PATIENT, PatientParameters
from console.web.auth import Viewer
from console.web.errors import PageError
from console.web.filters import ReportQuery, optional_report_query
from console.web.pages.choices import list_offered_ids
from payments.core.scope import Scope
from payments.journeys import distributing, front_desk, reporting
from payments.journeys.distributing import AccountRow
from payments.journeys.front_desk import OwedCharge
from payments.journeys.reporting import FeedFilter, FeedRow, Window
from payments.store.db.connection import Transaction

router = APIRouter(include_in_schema=False)

PAYMENTS_MAX = 100


@router.get("/patient")
def show(
    query: Annotated[ReportQuery[PatientParameters] | None, Depends(optional_report_query(PatientParameters))],
    context: Viewer,
) -> Response:
    """Show a patient's open charges and payments. Without a patient, show the form.

    Raises PageError (404) if there is no such patient.
    """
    if query is None:
        with context.transaction() as tx:
            offered = list_offered_ids(tx, context)
        return context.page("patient.html", report=PATIENT, patient=None, chosen=None, accounts=[], offered=offered)
    chosen = query.parameters
    scope = context.user.scope.narrowed_to_company(chosen.company)
    with context.snapshot_transaction() as tx:
        rows = distributing.show_account(tx, chosen.patient, scope)
        accounts = [_read_patient_account(tx, row, scope) for row in rows]
        offered = list_offered_ids(tx, context)
        context.audit(tx, "viewed account", chosen.patient)
    if not accounts:
        raise PageError(404, f"There is no patient {chosen.patient}.", "Search for the patient by name.")
    return context.page(
        "patient.html",
        report=PATIENT,
        patient=chosen.patient,
        chosen=chosen,
        accounts=accounts,
        offered=offered,
        is_limited=scope.clinics is not None,
        printed_at=context.now,
    )


class _PatientAccount(NamedTuple):
    """The account of a patient in one company."""

    sums: AccountRow
    charges: list[OwedCharge]
    payments: list[FeedRow]
    has_more: bool


def _read_patient_account(tx: Transaction, row: AccountRow, scope: Scope) -> _PatientAccount:
    of_company = scope.narrowed_to_company(row.company)
    page = reporting.claims_feed_page(tx, FeedFilter(patient=row.patient, scope=of_company), Window(PAYMENTS_MAX))
    return _PatientAccount(
        row, front_desk.owed_charges(tx, row, of_company), [each.row for each in page.rows], page.has_more
    )
