"""Convert events, in any form that a publisher may pass, to the bytes on the feed. Assign event ids."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from uuid import UUID, uuid5

from payments.contract.event import ChargeSaved, Event, PatientSaved, PaymentDeleted, PaymentSaved
from payments.contract.money import dollars
from payments.contract.signature import signature_of

_EVENT_ID_NAMESPACE = UUID("5b0f3c0e-6a2b-5c5e-9d8f-0b6a9f1d7c11")

Publishable = Event | Mapping[str, object] | bytes
"""An event model, a mapping of the event's keys, or the bytes of an event, which are sent unchanged."""
Sign = Callable[[bytes], str | None]
"""A function that returns the signature of an event's bytes, or None if the event is not signed."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key with which a company signs its events: its name and its secret."""

    name: str
    secret: bytes = field(repr=False)

    def sign(self, body: bytes) -> str:
        """Return the signature of an event's bytes."""
        return signature_of(body, self.name, self.secret)


def event_id_for(event_type: str, *key: str, version: int) -> UUID:
    """Return the event id of a version of a record. The same arguments always give the same id.

    So a publisher can repeat an event with its id without storing the id. `key` identifies the record: clinic, payment
    and line, or company and patient.
    """
    return uuid5(_EVENT_ID_NAMESPACE, json.dumps([event_type, *key, version]))


def body_of(event: Publishable) -> bytes:
    """Return the bytes of an event as they are published on the feed.

    Raises TypeError if a mapping contains a value of an unsupported type, and ValueError for an amount with fractions
    of a cent.
    """
    match event:
        case bytes():
            return event
        case PaymentSaved() | PaymentDeleted() | PatientSaved() | ChargeSaved():
            return event.model_dump_json(by_alias=True).encode()
        case Mapping():
            text = json.dumps(
                dict(event), ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_json_default
            )
            return text.encode()
    raise TypeError(f"an event is a model of the contract, a mapping or bytes, not {type(event).__name__}")


def _json_default(value: object) -> str:
    match value:
        case Decimal():
            return f"{dollars(value):f}"
        case date():  # includes datetime, a subclass
            return value.isoformat()
        case UUID():
            return str(value)
    raise TypeError(f"no form in the event contract for a value of type {type(value).__name__}")
