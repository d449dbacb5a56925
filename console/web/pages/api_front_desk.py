"""The API of the front desk: whether a payment would be sent, the payments of a day, and a patient's open charges."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse

from console.reports.front_desk import PatientParameters, day_record
from console.web.api_rows import json_response
from console.web.auth import Viewer
from console.web.errors import PageError
from console.web.filters import ReportQuery, report_query
from console.web.pages.today import DayQuery
from console.web.pages.would_flow import FlowQuery, preview_flow
from console.web.schemas import PROBLEMS, FlowPreview, Rows, success_response
from payments.flow_wording import flow_answer
from payments.journeys import distributing, front_desk

router = APIRouter(prefix="/api", responses=PROBLEMS)


@router.get("/today", responses=success_response(Rows))
def payments_of_day(query: DayQuery, context: Viewer) -> Response:
    """Return the payments of a transaction date, with their delivered and posted state. Default: the current day."""
    scope = context.scope_of(query.choice)
    day = query.parameters.day or context.today_in(scope)
    with context.transaction() as tx:
        sheet = front_desk.read_day(tx, scope, day)
        context.audit(tx, "viewed payments of the day", query.parameters.clinic or "", f"API {day}")
    return json_response(map(day_record, sheet.rows))


@router.get("/patient", responses=success_response(Rows))
def owed_charges(
    query: Annotated[ReportQuery[PatientParameters], Depends(report_query(PatientParameters, is_paged=False))],
    context: Viewer,
) -> Response:
    """Return the charges for which a patient still owes money, by date of service."""
    chosen = query.parameters
    scope = context.user.scope.narrowed_to_company(chosen.company)
    with context.snapshot_transaction() as tx:
        accounts = distributing.show_account(tx, chosen.patient, scope)
        context.audit(tx, "viewed account", chosen.patient, "API")
        owed = [
            (each.company, charge)
            for each in accounts
            for charge in front_desk.owed_charges(tx, each, scope.narrowed_to_company(each.company))
        ]
    if not accounts:
        raise PageError(404, f"There is no patient {chosen.patient}.")
    return json_response({"company": company, **charge._asdict()} for company, charge in owed)


@router.get("/would-flow", responses=success_response(FlowPreview))
def would_flow(query: Annotated[FlowQuery, Query()], context: Viewer) -> Response:
    """Return whether a payment that is saved now would be sent to Billing and posted, and what to do if not."""
    preview = preview_flow(context, query)
    answer = flow_answer(preview)
    return JSONResponse(
        {
            "flows": preview.would_be_sent,
            "reason": preview.reason,
            "month_state": preview.month_state,
            "sentence": answer.sentence,
            "posted": preview.would_be_posted,
            "status": preview.status,
            "next": answer.next_step or None,
        }
    )
