"""The models of the API's bodies for refunds and returned payments."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from console.web.entry_schemas import Reference, RequestKey, RequiredReasonText
from console.web.filters import Amount, Day, RowId, Text
from console.web.schemas import Body
from payments.contract.event import Method
from payments.core.manual_entry import REFERENCE_CHARACTERS_MAX
from payments.journeys.repaying import RepaymentDraft, RepaymentKind, RepaymentRequest, RepaymentTarget

GivenReference = Annotated[Reference, Field(min_length=1, max_length=REFERENCE_CHARACTERS_MAX)]


class RefundBody(Body):
    """A refund to request, or a bounced check or chargeback to record. The same `request_key` counts once.

    `payment` or `entry` names what is paid back. Without them it is the credit of the patient's account.
    """

    request_key: RequestKey
    kind: RepaymentKind = RepaymentKind.REFUND
    amount: Amount
    reason: RequiredReasonText
    payment: Text | None = None
    entry: RowId | None = None
    company: Text | None = None
    clinic: Text | None = None
    patient: Text | None = None
    method: Method | None = None
    fee: Amount | None = None
    reference: Reference = ""
    deposit_date: Day | None = None

    def request(self) -> RepaymentRequest:
        """Return the request for the refund."""
        draft = RepaymentDraft(self.kind, self.amount, self.reason, self.method, self.fee)
        target = RepaymentTarget(self.payment, self.entry, self.company, self.clinic, self.patient)
        return RepaymentRequest(self.request_key, draft, target, self.reference, self.deposit_date)


class IssueBody(Body):
    """The reference of a refund that is issued. `another` states that a similar refund of the EMR is another one."""

    reference: GivenReference
    deposit_date: Day | None = None
    another: bool = False


class VoidBody(Body):
    """Why a refund is voided."""

    reason: RequiredReasonText


class RefundResult(BaseModel):
    """A refund. `before` is true if an earlier call had made the change."""

    refund: dict[str, Any]
    before: bool
