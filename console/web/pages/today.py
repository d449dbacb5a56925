"""The payments of a clinic on one day, on a page that can be printed: delivered, posted, and summed by method."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from console.reports.front_desk import DAY_SHEET, DaySheetParameters
from console.web.auth import Viewer
from console.web.filters import ReportQuery, report_query
from console.web.pages.choices import list_offered_ids
from payments.journeys import front_desk

router = APIRouter(include_in_schema=False)

DayQuery = Annotated[ReportQuery[DaySheetParameters], Depends(report_query(DaySheetParameters, is_paged=False))]


@router.get("/today")
def show(query: DayQuery, context: Viewer) -> Response:
    """Show the payments of a clinic on one day, by default the current day. Without a clinic, show the form."""
    chosen, scope = query.parameters, context.scope_of(query.choice)
    with context.transaction() as tx:
        offered = list_offered_ids(tx, context)
    clinic = chosen.clinic or (offered.clinics[0] if len(offered.clinics) == 1 else None)
    scope = scope.narrowed_to_clinic(clinic)
    day = chosen.day or context.today_in(scope)
    with context.transaction() as tx:
        sheet = front_desk.read_day(tx, scope, day) if clinic else None
        last_day = front_desk.last_transaction_day(tx, scope, day) if sheet and not sheet.rows else None
        context.audit(tx, "viewed payments of the day", clinic or "", str(day))
    return context.page(
        "today.html",
        report=DAY_SHEET,
        chosen=chosen,
        clinic=clinic,
        day=day,
        sheet=sheet,
        last_day=last_day,
        offered=offered,
        printed_at=context.now,
    )
