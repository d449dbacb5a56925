"""The models of the API's bodies for manual entries."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from console.web.filters import STORABLE_PATTERN, Amount, Day, RowId, Storable, Text
from console.web.schemas import Body
from payments.contract.event import ChargeType, Method
from payments.core.manual_entry import REASON_CHARACTERS_MAX, REFERENCE_CHARACTERS_MAX, REQUEST_KEY_CHARACTERS_MAX
from payments.journeys.manual_entries import EntryDraft, EntryPurpose, EntryRequest, LinkTarget

Reason = Annotated[str, Field(max_length=REASON_CHARACTERS_MAX, pattern=STORABLE_PATTERN), Storable]
GivenReason = Annotated[str, Field(min_length=1, max_length=REASON_CHARACTERS_MAX, pattern=STORABLE_PATTERN), Storable]
Reference = Annotated[str, Field(max_length=REFERENCE_CHARACTERS_MAX, pattern=STORABLE_PATTERN), Storable]
RequestKey = Annotated[
    str, Field(min_length=1, max_length=REQUEST_KEY_CHARACTERS_MAX, pattern=STORABLE_PATTERN), Storable
]


class EntryBody(Body):
    """A manual entry to post. The same `request_key` in the same company posts once.

    `exception` or `payment` names what the entry is for; what the body leaves out is then taken from that payment.
    """

    request_key: RequestKey
    kind: EntryPurpose
    amount: Amount
    method: Method
    company: Text | None = None
    clinic: Text | None = None
    patient: Text | None = None
    deposit_date: Day | None = None
    charge_type: ChargeType | None = None
    reference: Reference | None = None
    reason: Reason = ""
    date_of_service: Day | None = None
    exception: RowId | None = None
    payment: Text | None = None

    def request(self) -> EntryRequest:
        """Return the request for the entry."""
        target = LinkTarget(self.exception, self.payment) if self.exception or self.payment else None
        draft = EntryDraft(
            purpose=self.kind,
            amount=self.amount,
            method=self.method,
            company_id=self.company,
            clinic_id=self.clinic,
            patient_id=self.patient,
            deposit_date=self.deposit_date,
            charge_type=self.charge_type,
            reference=self.reference or None,
            reason=self.reason,
            date_of_service=self.date_of_service,
        )
        return EntryRequest(self.request_key, draft, target)


class EntryResult(BaseModel):
    """A manual entry. `before` is true if an earlier request had posted or reversed it."""

    entry: dict[str, Any]
    before: bool


class ReversalBody(Body):
    """Why an entry is reversed. The deposit date of the reversal is by default that of the entry."""

    reason: GivenReason
    deposit_date: Day | None = None


class LinkBody(Body):
    """The exception, or the payment by its printed key, to which an entry is linked."""

    exception: RowId | None = None
    payment: Text | None = None


class UnlinkBody(Body):
    """Why a link is ended."""

    reason: GivenReason


class LinkResult(BaseModel):
    """The payment of a link that was made or ended, and what Billing lacks of the EMR's amount now.

    `settled` tells whether nothing is left to decide. `before` is true if nothing had to be changed.
    """

    payment: str
    difference: Annotated[str, Field(pattern=r"^-?\d+\.\d\d$")]
    settled: bool
    before: bool
