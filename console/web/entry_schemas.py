"""The request and response bodies of the API for manual entries."""

from typing import Annotated, Any

from pydantic import BaseModel, Field

from console.web.filters import STORABLE_PATTERN, Amount, Day, RowId, Storable, Text
from console.web.schemas import Body
from payments.contract.event import ChargeType, Method
from payments.core.manual_entry import REASON_CHARACTERS_MAX, REFERENCE_CHARACTERS_MAX
from payments.core.request_key import REQUEST_KEY_CHARACTERS_MAX
from payments.journeys.manual_entries import EntryDraft, EntryPurpose, EntryRequest, LinkTarget

ReasonText = Annotated[str, Field(max_length=REASON_CHARACTERS_MAX, pattern=STORABLE_PATTERN), Storable]
RequiredReasonText = Annotated[
    str, Field(min_length=1, max_length=REASON_CHARACTERS_MAX, pattern=STORABLE_PATTERN), Storable
]
Reference = Annotated[str, Field(max_length=REFERENCE_CHARACTERS_MAX, pattern=STORABLE_PATTERN), Storable]
RequestKey = Annotated[
    str, Field(min_length=1, max_length=REQUEST_KEY_CHARACTERS_MAX, pattern=STORABLE_PATTERN), Storable
]


class EntryFields(BaseModel):
    """The fields that the form and the request body of a new manual entry share."""

    request_key: RequestKey
    kind: EntryPurpose
    amount: Annotated[Amount, Field(title="Amount")]
    method: Method
    company: Text | None = None
    clinic: Text | None = None
    patient: Text | None = None
    deposit_date: Day | None = None
    charge_type: ChargeType | None = None
    reference: Reference | None = None
    reason: ReasonText = ""
    date_of_service: Day | None = None
    exception: RowId | None = None

    def request_for(self, target: LinkTarget | None) -> EntryRequest:
        """Return the request for the entry. `target` is None if the entry belongs to no payment."""
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


class EntryBody(EntryFields, Body):
    """A manual entry to post. Requests with the same `request_key` in the same company post only one entry.

    `exception` or `payment` names the payment that the entry is for. Omitted fields are then taken from that payment.
    """

    payment: Text | None = None

    def request(self) -> EntryRequest:
        """Return the request for the entry."""
        return self.request_for(LinkTarget(self.exception, self.payment) if self.exception or self.payment else None)


class EntryResult(BaseModel):
    """A manual entry. `before` is true if an earlier request had posted or reversed it."""

    entry: dict[str, Any]
    before: bool


class ReversalBody(Body):
    """The reason and the deposit date of a reversal. Default date: that of the entry; today if its month is closed."""

    reason: RequiredReasonText
    deposit_date: Day | None = None


class LinkBody(Body):
    """The exception, or the payment by its printed key, to which an entry is linked."""

    exception: RowId | None = None
    payment: Text | None = None


class UnlinkBody(Body):
    """The reason for ending a link."""

    reason: RequiredReasonText


class LinkResult(BaseModel):
    """The payment of a link that was made or ended, and the dollars of the EMR's amount that Billing still lacks.

    `settled` is true if nothing is left to decide. `before` is true if the request changed nothing.
    """

    payment: str
    difference: Annotated[str, Field(pattern=r"^-?\d+\.\d\d$")]
    settled: bool
    before: bool
