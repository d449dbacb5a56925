"""The event contract: the events that an EMR may publish. Unknown fields are ignored.

No field holds the user who entered the payment, because Billing does not receive the user.
"""

import hashlib
from datetime import date
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal, Self
from uuid import UUID

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from payments.contract.errors import EventError, contract_error, reject_repeated_keys
from payments.contract.fields import (
    Amount,
    Day,
    Flag,
    Identifier,
    Instant,
    Memo,
    OptionalIdentifier,
    PaidAmount,
    PrintedKey,
    ShortText,
    Version,
)
from payments.contract.keys import ChargeKey, ClinicKey, LineKey
from payments.contract.money import ZERO, Money


class ChargeType(StrEnum):
    """Charge types of the EMR. Each clinic selects which of them are sent to Billing."""

    COPAY = "Copay"
    DEDUCTIBLE = "Deductible"
    WELLNESS = "Wellness"
    SUPPLIES = "Supplies"
    OTHER = "Other"
    COINSURANCE = "Coinsurance"
    PAYMENT_ON_ACCOUNT = "Payment on Account"


class Method(StrEnum):
    """Payment methods."""

    CASH = "Cash"
    CHECK = "Check"
    CREDIT_CARD = "Credit Card"
    EFT = "EFT"
    OTHER = "Other"


def _reject_bool(value: object) -> object:
    """Return the value unchanged. Raises ValueError for a bool, because Literal[1] would accept True as 1."""
    if isinstance(value, bool):
        raise ValueError("flag")  # noqa: TRY004 (pydantic turns a ValueError into a ValidationError, but not a TypeError)
    return value


_FIELDS_NOT_HASHED = {"schema_", "event_id", "saved_at", "patient_paid"}


def hash_of_content(text: bytes) -> bytes:
    """Return the content hash of an event. `text` is its content as JSON, with the fields in the order of the model."""
    return hashlib.blake2b(text, digest_size=16).digest()


class _Event(BaseModel):
    """The fields that all events have."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    schema_: Annotated[Literal[1], BeforeValidator(_reject_bool), Field(alias="schema", description="1")]
    event_id: Annotated[UUID, Field(description="a UUID")]
    company_id: Identifier
    patient_id: Identifier
    version: Version
    saved_at: Instant

    @cached_property
    def content_hash(self) -> bytes:
        """A hash of 16 bytes over all fields except those in `_FIELDS_NOT_HASHED`.

        The hash is stored with the version. An event that repeats a version must have the same hash. Add every new
        field of the contract to `_FIELDS_NOT_HASHED`. Otherwise an event that an earlier release imported would be a
        version conflict when it is repeated.
        """
        return hash_of_content(self.model_dump_json(exclude=_FIELDS_NOT_HASHED).encode())


class _LineEvent(_Event):
    """An event about one charge line of a payment."""

    clinic_id: Identifier
    payment_id: Identifier
    line_id: Identifier

    @cached_property
    def key(self) -> LineKey:
        """The key of the line."""
        return LineKey(self.company_id, self.clinic_id, self.payment_id, self.line_id)

    @cached_property
    def clinic_key(self) -> ClinicKey:
        """The key of the line's clinic."""
        return self.key.clinic


class PaymentDeleted(_LineEvent):
    """The front desk deleted a line."""

    type: Literal["payment.deleted"]


class PaymentSaved(_LineEvent):
    """The front desk saved a new or changed line."""

    type: Literal["payment.saved"]
    charge_type: Annotated[ChargeType, Field(description="one of " + ", ".join(ChargeType))]
    amount_due: Amount
    amount_paid: Amount
    paid: Flag
    internal_payment: Flag
    method: Annotated[Method, Field(description="one of " + ", ".join(Method))]
    transaction_date: Day
    date_of_service: Annotated[Day | None, Field(description="a date that exists, YYYY-MM-DD, or null")]
    case_id: OptionalIdentifier
    provider_id: OptionalIdentifier
    reference: ShortText
    memo: Memo
    refund_of: PrintedKey

    @model_validator(mode="after")
    def _check_amounts(self) -> Self:
        """Check the signs of the amounts. Raises EventError if one of these rules is violated.

        On a refund line, no amount is above 0.00, and the line does not refund itself. On any other line, no amount is
        below 0.00. If that line is marked Paid and has an Amount Due, its amount paid is not 0.00.
        """
        amounts = (("amount_paid", self.amount_paid), ("amount_due", self.amount_due))
        if self.refund_of is None:
            for field, amount in amounts:
                if amount < ZERO:
                    raise EventError(field, "negative only on a refund line; name the refunded line in refund_of")
            if self.paid and self.amount_paid == ZERO and self.amount_due != ZERO:
                raise EventError("amount_paid", "expected more than 0.00 on a line marked Paid")
        else:
            for field, amount in amounts:
                if amount > ZERO:
                    raise EventError(field, f"expected 0.00 or less on a refund line; got {amount}")
            if self.refund_of == str(self.key):
                raise EventError("refund_of", f"{self.refund_of} is this line itself; name the refunded line")
        return self

    @property
    def amount(self) -> Money:
        """The amount paid, in dollars. If the line is eligible, Billing should hold this amount."""
        return self.amount_paid

    @property
    def service_date(self) -> date | None:
        """The date of service. For a Payment on Account it is None, even if the event states one (rule D8)."""
        return None if self.charge_type is ChargeType.PAYMENT_ON_ACCOUNT else self.date_of_service


class PatientSaved(_Event):
    """A patient was saved in the EMR. Billing knows the patient from then on."""

    type: Literal["patient.saved"]
    name: ShortText


class ChargeSaved(_Event):
    """A charge was saved in the EMR: the amount that a patient owes for one date of service, in dollars.

    `patient_balance` is the amount that the patient still owes. If the patient paid too much, it is below 0.00.
    `patient_paid` is the total of the patient's payments that `patient_balance` already deducts. If `patient_paid` is
    None, Billing uses the amount that it has applied to the charge (rule D8).
    """

    type: Literal["charge.saved"]
    clinic_id: Identifier
    charge_id: Identifier
    date_of_service: Day
    patient_balance: Amount
    patient_paid: Annotated[
        PaidAmount | None,
        Field(default=None, description='dollars of 0.00 or more as text with two decimals, e.g. "25.00", or null'),
    ]
    insurance_open: Flag

    @property
    def key(self) -> ChargeKey:
        """The key of the charge."""
        return ChargeKey(self.company_id, self.clinic_id, self.charge_id)

    @property
    def clinic_key(self) -> ClinicKey:
        """The key of the charge's clinic."""
        return ClinicKey(self.company_id, self.clinic_id)


LineEvent = PaymentSaved | PaymentDeleted
Event = PaymentSaved | PaymentDeleted | PatientSaved | ChargeSaved
EVENT_CONTRACT: TypeAdapter[Event] = TypeAdapter(Annotated[Event, Field(discriminator="type")])
_EVENT_TYPES: dict[str, type[BaseModel]] = {
    "payment.saved": PaymentSaved,
    "payment.deleted": PaymentDeleted,
    "patient.saved": PatientSaved,
    "charge.saved": ChargeSaved,
}


def read_event(body: bytes) -> Event:
    """Parse and validate an event from its bytes.

    Raises EventError if a field is invalid, or if a key occurs twice. The error names the first invalid field and what
    was expected there.
    """
    try:
        event = EVENT_CONTRACT.validate_json(body)
    except ValidationError as error:
        reject_repeated_keys(body)
        raise contract_error(error, body, _EVENT_TYPES) from None
    reject_repeated_keys(body, distinct_key_count=len(event.model_fields_set))
    return event
