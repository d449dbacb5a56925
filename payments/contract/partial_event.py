"""Partial events: the valid fields of an invalid event. They let the Claims Feed show the event at its line."""

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from payments.contract.event import ChargeType
from payments.contract.fields import Amount, Day, Flag, Identifier, Instant, Version
from payments.contract.keys import LocalKey
from payments.contract.repeated_keys import without_repeated_keys
from payments.contract.size_limit import EVENT_BYTES_MAX, KEPT_BYTES
from payments.contract.whole_entry import identifying_content, read_whole_entry

_DIGITS_MAX = 100


class PartialEvent(NamedTuple):
    """The valid fields of an invalid event. A field that is missing or invalid is None."""

    company_id: str | None = None
    clinic_id: str | None = None
    payment_id: str | None = None
    line_id: str | None = None
    patient_id: str | None = None
    version: int | None = None
    saved_at: datetime | None = None
    charge_type: str | None = None
    amount_paid: Decimal | None = None
    transaction_date: date | None = None
    paid: bool | None = None
    event_type: str | None = None
    charge_id: str | None = None

    @property
    def key(self) -> LocalKey | None:
        """The line's key within its company, or None if a part of the key is missing or invalid."""
        if self.clinic_id and self.payment_id and self.line_id:
            return LocalKey(self.clinic_id, self.payment_id, self.line_id)
        return None


def read_partial_event(body: bytes) -> PartialEvent:
    """Return the valid fields of an invalid event, or of the beginning of an oversized event. Never raises an error.

    `body` may also be the JSON text of a malformed stream entry (`payments.contract.whole_entry`).
    """
    try:
        content = _parse_body(body)
    except (ValueError, RecursionError):
        return PartialEvent()
    if not isinstance(content, dict):
        return PartialEvent()
    valid = {
        field: _valid_or_none(field, content.get(_JSON_KEY_BY_FIELD.get(field, field)))
        for field in PartialEvent._fields
    }
    ignored = _IGNORED_FIELDS.get(valid["event_type"], ("charge_id",))
    return PartialEvent(**valid | dict.fromkeys(ignored))


def valid_company(value: object) -> str | None:
    """Return the value if it is a valid company id, otherwise None."""
    company_id: str | None = _valid_or_none("company_id", value)
    return company_id


def _valid_or_none(field: str, value: object) -> Any:
    try:
        return _FIELD_TYPES[field].validate_python(value)
    except ValidationError:
        return None


def _parse_body(body: bytes) -> object:
    if (fields := read_whole_entry(body)) is not None:
        kept = identifying_content(fields)
        return _parse_json(kept) if isinstance(kept, bytes) else kept
    return _parse_json(body) if len(body) <= EVENT_BYTES_MAX else _parse_beginning(body)


def _parse_json(body: bytes) -> object:
    """Parse JSON. Keys that occur twice are omitted. An integer of `_DIGITS_MAX` digits or more becomes a text."""
    return json.loads(body, object_pairs_hook=without_repeated_keys, parse_int=_integer_or_text)


def _integer_or_text(digits: str) -> int | str:
    return int(digits) if len(digits) < _DIGITS_MAX else digits


def _parse_beginning(body: bytes) -> object:
    """Parse the first KEPT_BYTES bytes of a body as JSON, up to the last comma.

    The part after the last comma is dropped, because it may be the beginning of a longer number.
    """
    return from_json(body[:KEPT_BYTES].rpartition(b",")[0], allow_partial=True)


_JSON_KEY_BY_FIELD = {"event_type": "type"}
_PAYMENT_FIELDS = ("payment_id", "line_id", "charge_type", "amount_paid", "transaction_date", "paid")
# The fields that an event of a type does not have: the contract ignores them. Other types are read as payments.
_IGNORED_FIELDS = {"patient.saved": ("clinic_id", "charge_id", *_PAYMENT_FIELDS), "charge.saved": _PAYMENT_FIELDS}
_FIELD_TYPES: dict[str, TypeAdapter[Any]] = {
    "company_id": TypeAdapter(Identifier),
    "clinic_id": TypeAdapter(Identifier),
    "payment_id": TypeAdapter(Identifier),
    "line_id": TypeAdapter(Identifier),
    "patient_id": TypeAdapter(Identifier),
    "version": TypeAdapter(Version),
    "saved_at": TypeAdapter(Instant),
    "charge_type": TypeAdapter(ChargeType),
    "amount_paid": TypeAdapter(Amount),
    "transaction_date": TypeAdapter(Day),
    "paid": TypeAdapter(Flag),
    "event_type": TypeAdapter(Literal["payment.saved", "payment.deleted", "patient.saved", "charge.saved"]),
    "charge_id": TypeAdapter(Identifier),
}
