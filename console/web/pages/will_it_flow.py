"""The page *Will it flow?*: what would happen to a payment that the front desk is about to save."""

from typing import Annotated

from fastapi import APIRouter, Query, Response
from pydantic import Field

from console.web.auth import Viewer
from console.web.context import RequestContext
from console.web.filters import Amount, Day, PageQuery, Text
from console.web.pages.choices import list_offered_ids
from console.web.pages.would_flow import FlowQuery, preview_flow
from payments.contract.event import ChargeType
from payments.flow_wording import flow_answer

router = APIRouter(include_in_schema=False)


class _FlowForm(PageQuery):
    """The fields of the form. They are empty when the page is opened."""

    clinic: Text | None = None
    company: Text | None = None
    charge_type: ChargeType | None = None
    date: Day | None = None
    amount_paid: Annotated[Amount | None, Field(title="Amount paid")] = None
    amount_due: Annotated[Amount | None, Field(title="Amount Due")] = None
    paid: bool = True
    internal_payment: Annotated[bool, Field(title="Internal Payment")] = False
    patient: Text | None = None

    def payment_at(self, clinic: str | None) -> FlowQuery | None:
        """Return the payment that the form describes, or None if the clinic, the charge type or the date is missing."""
        given = self.model_dump() | {"clinic": clinic}
        is_complete = clinic and self.charge_type and self.date
        return FlowQuery.model_construct(**given) if is_complete else None


@router.get("/will-it-flow")
def show(form: Annotated[_FlowForm, Query()], context: Viewer) -> Response:
    """Show whether a payment would be sent and posted, and what to do. If the form is incomplete, show the form."""
    with context.transaction() as tx:
        offered = list_offered_ids(tx, context)
    clinic = form.clinic or (offered.clinics[0] if len(offered.clinics) == 1 else None)
    day = form.date or _default_day(context, clinic)
    asked = form.model_copy(update={"date": day}).payment_at(clinic)
    preview = preview_flow(context, asked) if asked else None
    return context.page(
        "will_it_flow.html",
        form=form,
        clinic=clinic,
        day=day,
        preview=preview,
        answer=flow_answer(preview) if preview else None,
        charge_types=list(ChargeType),
        offered=offered,
    )


def _default_day(context: RequestContext, clinic: str | None) -> object:
    return context.today_in(context.user.scope.narrowed_to_clinic(clinic))
