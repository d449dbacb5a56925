"""The payment preview: what Billing would do with a payment that the front desk will save."""

from decimal import Decimal
from typing import Annotated

from pydantic import Field

from console.web.context import RequestContext
from console.web.filters import Amount, Day, PageQuery, Text
from payments.contract.event import ChargeType
from payments.contract.money import dollars
from payments.core.flow_preview import FlowPreview
from payments.journeys import eligibility_preview
from payments.journeys.choosing import ScopeChoice
from payments.journeys.eligibility_preview import PaymentToSave

_ANY_AMOUNT = dollars("1.00")


class FlowQuery(PageQuery):
    """A payment as the front desk would save it."""

    clinic: Text
    company: Text | None = None
    charge_type: ChargeType
    date: Annotated[Day, Field(description="The transaction date.")]
    amount_paid: Annotated[Amount | None, Field(title="Amount paid", description="Dollars. Default: any.")] = None
    amount_due: Annotated[
        Amount | None, Field(title="Amount Due", description="Dollars. Default: the amount paid.")
    ] = None
    paid: Annotated[bool, Field(description="Whether the payment is marked Paid.")] = True
    internal_payment: Annotated[bool, Field(description="Whether it is marked Internal Payment.")] = False
    patient: Annotated[Text | None, Field(description="The patient id. Default: one who is in Billing.")] = None

    @property
    def payment(self) -> PaymentToSave:
        """The payment to preview."""
        amount_paid = _first(self.amount_paid, self.amount_due if self.paid else None, _ANY_AMOUNT)
        return PaymentToSave(
            charge_type=self.charge_type,
            day=self.date,
            amount_paid=amount_paid,
            amount_due=_first(self.amount_due, amount_paid),
            paid=self.paid,
            internal_payment=self.internal_payment,
            patient_id=self.patient,
        )


def _first(*amounts: Decimal | None) -> Decimal:
    return next(each for each in amounts if each is not None)


def preview_flow(context: RequestContext, query: FlowQuery) -> FlowPreview:
    """Return the preview of a payment in the user's scope."""
    scope = context.scope_of(ScopeChoice(query.company, query.clinic))
    with context.transaction() as tx:
        return eligibility_preview.preview_payment(tx, scope, query.payment, context.now)
