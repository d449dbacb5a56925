"""The request and response bodies of the API for transfers."""

from typing import Any

from pydantic import BaseModel

from console.web.entry_schemas import RequestKey, RequiredReasonText
from console.web.filters import Amount, Day, RowId, Text
from console.web.schemas import Body
from payments.journeys.transferring import RepaymentTarget, TransferDraft, TransferRequest


class TransferFields(BaseModel):
    """The fields that the form and the request body of a new transfer share."""

    request_key: RequestKey
    to: Text
    reason: RequiredReasonText
    amount: Amount | None = None
    payment: Text | None = None
    entry: RowId | None = None
    company: Text | None = None
    clinic: Text | None = None
    patient: Text | None = None
    deposit_date: Day | None = None

    def request(self) -> TransferRequest:
        """Return the request for the transfer."""
        draft = TransferDraft(self.to, self.reason, self.amount, self.deposit_date)
        source = RepaymentTarget(self.payment, self.entry, self.company, self.clinic, self.patient)
        return TransferRequest(self.request_key, draft, source)


class TransferBody(TransferFields, Body):
    """A transfer to make. Requests with the same `request_key` in the same company move the money once.

    `payment` or `entry` names the money. Without them it is the credit of the account of `patient`. `to` is the patient
    who receives it. Without `amount`, all money is moved that can be moved.
    """


class TransferUndoBody(Body):
    """The reason for undoing a transfer."""

    reason: RequiredReasonText


class TransferResult(BaseModel):
    """A transfer. `before` is true if an earlier request had made or undone it."""

    transfer: dict[str, Any]
    before: bool
