"""Build events of an EMR. By default, an event is a paid Copay of 25.00 in June 2026."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

from payments.contract.event import (
    ChargeSaved,
    ChargeType,
    Event,
    LineEvent,
    Method,
    PatientSaved,
    PaymentDeleted,
    PaymentSaved,
    read_event,
)
from payments.contract.keys import LineKey
from payments.contract.money import dollars
from payments.contract.stream_entry import StreamEntry
from payments.core.backoff import BackoffSchedule
from payments.core.eligibility import ClinicSettings
from payments.core.import_stats import RunContext
from payments.core.line import EntryDimensions, LedgerPosting

NOW = datetime(2026, 6, 10, 15, tzinfo=UTC)
SAVED_AT = datetime(2026, 6, 5, 17, tzinfo=UTC)
BACKOFF: BackoffSchedule = (timedelta(seconds=10), timedelta(minutes=1))
COPAYS = ClinicSettings(integration=True, charge_types=frozenset({ChargeType.COPAY}))

_PAYMENT_FIELDS: dict[str, Any] = {
    "schema": 1,
    "type": "payment.saved",
    "company_id": "company",
    "clinic_id": "clinic",
    "patient_id": "patient",
    "payment_id": "payment",
    "line_id": "1",
    "version": 1,
    "saved_at": SAVED_AT.isoformat(),
    "charge_type": "Copay",
    "amount_due": "25.00",
    "amount_paid": "25.00",
    "paid": True,
    "internal_payment": False,
    "method": "Cash",
    "transaction_date": "2026-06-05",
    "date_of_service": "2026-06-05",
}
_KEYS_BY_EVENT_TYPE = {
    "payment.deleted": "schema type company_id clinic_id patient_id payment_id line_id version saved_at".split(),
    "charge.saved": "schema type company_id clinic_id patient_id version saved_at".split(),
    "patient.saved": "schema type company_id patient_id version saved_at".split(),
}
_entry_numbers = count(1)


def payment_fields(**changes: object) -> dict[str, Any]:
    """Return the JSON object of a `payment.saved` event. A field with the value `...` is removed."""
    # The id goes first: pytest names tests by the end of the value, and the name is the same in each process.
    content = {"event_id": str(uuid4()), **_PAYMENT_FIELDS, **changes}
    return {name: value for name, value in content.items() if value is not ...}


def event_fields(event_type: str, **changes: object) -> dict[str, Any]:
    """Return the JSON object of an event other than `payment.saved`, with the required keys of its type."""
    content = {name: _PAYMENT_FIELDS.get(name) for name in _KEYS_BY_EVENT_TYPE[event_type]}
    return {**content, "type": event_type, "event_id": str(uuid4()), **changes}


def event_body(content: Event | dict[str, Any]) -> bytes:
    """Return the JSON object of an event as the bytes that the EMR publishes."""
    return (
        json.dumps(content).encode() if isinstance(content, dict) else content.model_dump_json(by_alias=True).encode()
    )


def paid(amount: str, day: str, **more: Any) -> dict[str, Any]:
    """Return fields of a payment: `amount` is due and paid, and `day` is the transaction date and date of service."""
    return {"amount_due": amount, "amount_paid": amount, "transaction_date": day, "date_of_service": day, **more}


def saved_payment(amount: str | None = None, **changes: object) -> PaymentSaved:
    """Return a `payment.saved` event with a new event id. `amount` is both due and paid."""
    amounts = {} if amount is None else {"amount_due": amount, "amount_paid": amount}
    event = read_event(event_body(payment_fields(**amounts, **changes)))
    assert isinstance(event, PaymentSaved)
    return event


def deleted_payment(**changes: object) -> PaymentDeleted:
    """Return a `payment.deleted` event."""
    event = read_event(event_body(event_fields("payment.deleted", **changes)))
    assert isinstance(event, PaymentDeleted)
    return event


def saved_patient(patient_id: str = "patient", **changes: object) -> PatientSaved:
    """Return a `patient.saved` event."""
    event = read_event(event_body(event_fields("patient.saved", **(changes | {"patient_id": patient_id}))))
    assert isinstance(event, PatientSaved)
    return event


def saved_charge(charge_id: str, balance: str, **changes: object) -> ChargeSaved:
    """Return a `charge.saved` event. It states the balance that the patient owes for a date of service."""
    content = {
        "patient_balance": balance,
        "charge_id": charge_id,
        "date_of_service": "2026-06-05",
        "insurance_open": False,
    }
    event = read_event(event_body(event_fields("charge.saved", **(content | changes))))
    assert isinstance(event, ChargeSaved)
    return event


def next_version(event: LineEvent, **changes: object) -> PaymentSaved:
    """Return a save of the same line with these changes. Its version number is one higher."""
    content = json.loads(event_body(event)) | {"event_id": str(uuid4()), "version": event.version + 1}
    again = read_event(event_body(content | changes))
    assert isinstance(again, PaymentSaved)
    return again


def stream_entries(events: Iterable[Event | bytes]) -> list[StreamEntry]:
    """Wrap events as stream entries with new entry ids."""
    bodies = [event if isinstance(event, bytes) else event_body(event) for event in events]
    return [StreamEntry(f"{next(_entry_numbers)}-0", each) for each in bodies]


def run_context(now: datetime = NOW, backoff_schedule: BackoffSchedule = BACKOFF) -> RunContext:
    """Return the context of a worker's run."""
    return RunContext(now, "importer-1", backoff_schedule, fixed_stopwatch())


def fixed_stopwatch() -> Callable[[], int]:
    """Return a stopwatch that always reads 7 ms."""
    return lambda: 7


def ledger_posting(amount: str, day: str = "2026-06-05", method: Method = Method.CASH) -> LedgerPosting:
    """Return a proposed ledger entry of a Copay."""
    dimensions = EntryDimensions("patient", ChargeType.COPAY, method, None, date(2026, 6, 5), date.fromisoformat(day))
    return LedgerPosting(dollars(amount), dimensions)


def line_key(
    payment_id: str = "payment", clinic_id: str = "clinic", line_id: str = "1", company_id: str = "company"
) -> LineKey:
    """Return the key of a line."""
    return LineKey(company_id, clinic_id, payment_id, line_id)
