"""The deposit slip: the payments of a clinic on one deposit date, to print and take to the bank."""

from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Depends, Response

from console.reports.deposit_slip import BANKED, DepositSlipParameters, slip_parts
from console.web.auth import Viewer
from console.web.errors import PageError
from console.web.filters import ReportQuery, report_query
from console.web.pages.choices import list_offered_ids
from payments.contract.money import total
from payments.journeys import front_desk, reporting
from payments.journeys.reporting import Sort

router = APIRouter(include_in_schema=False)

ROWS_MAX = 2_000
"""Maximum number of entries on a slip: more than a clinic has on one day."""


@router.get("/deposit-slip")
def show(
    query: Annotated[ReportQuery[DepositSlipParameters], Depends(report_query(DepositSlipParameters, is_paged=False))],
    context: Viewer,
) -> Response:
    """Show the slip of a clinic and a day. Without a clinic, show the form.

    Raises PageError (422) for more than ROWS_MAX entries.
    """
    chosen, scope = query.parameters, context.scope_of(query.choice)
    day = chosen.day or context.today_in(scope)
    with context.transaction() as tx:
        offered = list_offered_ids(tx, context)
        clinic = chosen.clinic or (offered.clinics[0] if len(offered.clinics) == 1 else None)
        rows = reporting.payment_log(tx, chosen.to_filter(scope, day), Sort("method")) if clinic else iter(())
        parts = slip_parts(islice(rows, ROWS_MAX + 1))
        of_clinic = chosen.to_filter(scope, day).scope.narrowed_to_clinic(clinic)
        last_day = front_desk.last_deposit_day(tx, of_clinic, day) if clinic and not parts else None
        context.audit(tx, "viewed deposit slip", clinic or "", str(day))
    count = sum(len(part.rows) for part in parts)
    if count > ROWS_MAX:
        raise PageError(422, f"A deposit slip has at most {ROWS_MAX:,} entries.", "Export the Patient Payment Log.")
    return context.page(
        "deposit_slip.html",
        chosen=chosen,
        clinic=clinic,
        day=day,
        slip=parts,
        last_day=last_day,
        count=count,
        banked=total(part.total for part in parts if part.method in BANKED),
        total=total(part.total for part in parts),
        offered=offered,
        printed_at=context.now,
    )
