"""The preview of *Will it flow?*: what Billing would do with a payment that the front desk is about to save."""

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
    """Query parameters of the transmission preview: a payment that the front desk would save."""

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
        amount_paid = _first_given(self.amount_paid, self.amount_due if self.paid else None, _ANY_AMOUNT)
        return PaymentToSave(
            charge_type=self.charge_type,
            day=self.date,
            amount_paid=amount_paid,
            amount_due=_first_given(self.amount_due, amount_paid),
            paid=self.paid,
            internal_payment=self.internal_payment,
            patient_id=self.patient,
        )


def _first_given(*amounts: Decimal | None) -> Decimal:
    return next(each for each in amounts if each is not None)


def preview_flow(context: RequestContext, query: FlowQuery) -> FlowPreview:
    """Return what would happen to the payment of `query`. Its clinic and patient are looked up in the user's scope."""
    scope = context.scope_of(ScopeChoice(query.company, query.clinic))
    with context.transaction() as tx:
        return eligibility_preview.preview_payment(tx, scope, query.payment, context.now)
