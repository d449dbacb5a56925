"""An event is unchanged after it was written to a body and read back. Event ids are stable."""

import json
import uuid
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from emr.client import body_of, event_id_for
from payments.contract.event import read_event

PATIENT_FIELDS = {
    "schema": 1,
    "type": "patient.saved",
    "event_id": "11111111-1111-4111-8111-111111111111",
    "company_id": "company-1",
    "patient_id": "patient-1",
    "version": 1,
    "saved_at": "2026-10-05T10:00:00-07:00",
    "name": "Zoë Müller",
}
DELETION_FIELDS = {key: value for key, value in PATIENT_FIELDS.items() if key != "name"} | {
    "type": "payment.deleted",
    "clinic_id": "clinic-1",
    "payment_id": "P-1",
    "line_id": "1",
}
CHARGE_FIELDS = {key: value for key, value in PATIENT_FIELDS.items() if key != "name"} | {
    "type": "charge.saved",
    "clinic_id": "clinic-1",
    "charge_id": "C-1",
    "date_of_service": "2026-10-05",
    "patient_balance": "10.50",
    "insurance_open": False,
}
PAYMENT_FIELDS = DELETION_FIELDS | {
    "type": "payment.saved",
    "charge_type": "Copay",
    "amount_due": "25.00",
    "amount_paid": "25.00",
    "paid": True,
    "internal_payment": False,
    "method": "Check",
    "transaction_date": "2026-10-05",
    "date_of_service": None,
    "memo": "Zweite Hälfte; bar „gezahlt“",
}
REFUND_FIELDS = PAYMENT_FIELDS | {
    "payment_id": "P-2",
    "amount_due": "-25.00",
    "amount_paid": "-0.50",
    "refund_of": "clinic-1/P-1/1",
}


@pytest.mark.parametrize(
    "content",
    [PATIENT_FIELDS, PAYMENT_FIELDS, REFUND_FIELDS, DELETION_FIELDS, CHARGE_FIELDS],
    ids=lambda content: content["type"],
)
def test_event_round_trips_through_its_body(content: dict[str, object]) -> None:
    event = read_event(json.dumps(content).encode())

    written = body_of(event)

    assert {key: value for key, value in json.loads(written).items() if value is not None} == {
        key: value for key, value in content.items() if value is not None
    }
    assert read_event(written) == event
    assert read_event(written).content_hash == event.content_hash
    assert read_event(written).saved_at.isoformat() == PATIENT_FIELDS["saved_at"]


def test_mapping_event_accepts_decimals_dates_and_uuids() -> None:
    mapping = PAYMENT_FIELDS | {
        "event_id": uuid.UUID(PATIENT_FIELDS["event_id"]),
        "amount_due": Decimal(25),
        "amount_paid": Decimal("25.0"),
        "transaction_date": date(2026, 10, 5),
        "saved_at": datetime(2026, 10, 5, 17, tzinfo=UTC),
    }

    event = read_event(body_of(mapping))

    assert event.content_hash == read_event(body_of(PAYMENT_FIELDS)).content_hash
    assert event.saved_at == datetime(2026, 10, 5, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("unfit", "error"), [({1, 2}, TypeError), (Decimal("0.001"), ValueError), (Decimal("NaN"), ValueError)]
)
def test_unsupported_mapping_is_rejected_before_publishing(unfit: object, error: type[Exception]) -> None:
    with pytest.raises(error):
        body_of(PAYMENT_FIELDS | {"amount_due": unfit})


def test_text_is_rejected_as_an_event() -> None:
    with pytest.raises(TypeError, match="not str"):
        body_of(json.dumps(PAYMENT_FIELDS))  # type: ignore[arg-type]


def test_event_id_depends_on_the_version() -> None:
    line = ("clinic-1", "P-1", "1")

    assert event_id_for("payment.saved", *line, version=1) == event_id_for("payment.saved", *line, version=1)
    others = {
        event_id_for("payment.saved", *line, version=1),
        event_id_for("payment.saved", *line, version=2),
        event_id_for("payment.deleted", *line, version=1),
        event_id_for("payment.saved", "clinic-1", "P-11", "", version=1),
        event_id_for("payment.saved", "clinic-1/P-1", "1", version=1),
    }
    assert len(others) == 5
