"""Events: fields, content hash, printed keys, and the valid fields of an invalid event."""

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.contract.event import ChargeType, Method, read_event
from payments.contract.keys import LineKey, LocalKey
from payments.contract.partial_event import read_partial_event
from tests.builders.events import deleted_payment, event_body, payment_fields, saved_patient, saved_payment

CHANGED_FIELDS = {
    "company_id": "other",
    "clinic_id": "other",
    "patient_id": "other",
    "payment_id": "other",
    "line_id": "other",
    "version": 2,
    "charge_type": "Supplies",
    "amount_due": "26.00",
    "amount_paid": "26.00",
    "paid": False,
    "internal_payment": True,
    "method": "Check",
    "transaction_date": "2026-06-06",
    "date_of_service": None,
    "case_id": "case",
    "provider_id": "provider",
    "reference": "1021",
    "memo": "memo",
}
REFUND_FIELDS = {"refund_of": "clinic/payment-0/1", "amount_due": "-25.00", "amount_paid": "-25.00"}
INVISIBLE_CHARACTERS = "\u034f\u115f\u1160\u17b4\u17b5\u180b\u2800\u3164\ufe0f\uffa0\U000e0100"
"""Characters that Python calls printable although they are invisible: one of each kind."""
# Printable characters: no control or unassigned characters, no separator except the space, no mark without a shape.
printable = st.characters(
    exclude_categories=("C", "Z", "Mn"), include_characters=" ", exclude_characters=INVISIBLE_CHARACTERS
)
identifiers = st.text(printable, min_size=1, max_size=64).filter(lambda text: text == text.strip())
amounts = st.decimals(0, 9_999_999_999, places=2).map(lambda amount: f"{amount:.2f}").filter(lambda text: "." in text)


def test_parsed_event_has_the_values_that_the_emr_saved():
    event = saved_payment("25.00", saved_at="2026-06-05T23:30:00-07:00", memo="", date_of_service=None)

    assert event.key == LineKey("company", "clinic", "payment", "1")
    assert str(event.key) == "clinic/payment/1"
    assert (event.charge_type, event.method, event.amount) == (ChargeType.COPAY, Method.CASH, Decimal("25.00"))
    assert event.saved_at == datetime(2026, 6, 6, 6, 30, tzinfo=UTC)
    assert event.saved_at.date() == date(2026, 6, 5)
    assert (event.memo, event.date_of_service) == (None, None)


@pytest.mark.parametrize("event", [saved_payment(), deleted_payment(), saved_patient()], ids=lambda event: event.type)
def test_unknown_field_is_ignored(event):
    content = json.loads(event_body(event)) | {"entered_by": "K. Front Desk", "collected_by": {"name": "K."}}

    read = read_event(event_body(content))

    assert read == event
    assert b"Front Desk" not in event_body(read)


@given(
    identifiers,
    identifiers,
    st.sampled_from(ChargeType),
    amounts.filter(lambda text: text != "0.00"),
    st.text(max_size=50),
)
def test_event_is_read_back_as_it_was_written(payment_id, patient_id, charge_type, amount, memo):
    event = saved_payment(
        amount, payment_id=payment_id, patient_id=patient_id, charge_type=charge_type, memo=memo.replace("\0", "")
    )

    assert read_event(event_body(event)) == event
    assert read_event(event_body(event)).content_hash == event.content_hash


def test_refund_line_may_be_negative():
    assert saved_payment("-80.00", refund_of="clinic/payment-1/1").amount == Decimal("-80.00")


def test_date_of_service_of_a_payment_on_account_is_ignored():
    assert saved_payment(charge_type="Payment on Account").service_date is None
    assert saved_payment().service_date == date(2026, 6, 5)


def test_content_hash_excludes_event_id_and_save_time():
    assert saved_payment().content_hash == saved_payment(saved_at="2026-06-05T18:00:00Z", schema=1).content_hash


def test_content_hash_changes_with_every_field_except_event_id_and_save_time():
    fields = set(saved_payment().__class__.model_fields) - {"schema_", "type", "event_id", "saved_at"}
    assert set(CHANGED_FIELDS) | {"refund_of"} == fields
    hashes = {name: saved_payment(**{name: value}).content_hash for name, value in CHANGED_FIELDS.items()}
    refunds = [saved_payment(**REFUND_FIELDS), saved_payment(**REFUND_FIELDS | {"refund_of": "clinic/payment-9/1"})]

    others = [saved_payment(), deleted_payment(), *refunds]
    assert len({*hashes.values(), *(event.content_hash for event in others)}) == len(CHANGED_FIELDS) + len(others)


def test_content_hash_never_changes_between_releases():
    assert [event.content_hash.hex() for event in (saved_payment(), deleted_payment(), saved_patient())] == [
        "e95cdb60b1622d55bc93dabb1703c099",
        "6493c5fe0a093718048b5cac0bd2d2c6",
        "b41f466c2e59bba2fb11aeca9a2b159a",
    ]


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        ("a/b/c", [("a", "b", "c")]),
        ("a/b/c/d", [("a", "b", "c/d"), ("a", "b/c", "d"), ("a/b", "c", "d")]),
        ("a/b", []),
        ("", []),
    ],
)
def test_printed_key_is_parsed_in_every_possible_way(text, readings):
    assert [tuple(key) for key in LocalKey.parse_all(text)] == readings


@given(identifiers, identifiers, identifiers)
def test_printed_key_parses_back_to_its_line_key(clinic_id, payment_id, line_id):
    key = LocalKey(clinic_id, payment_id, line_id)

    assert key in LocalKey.parse_all(str(key))


def test_partial_event_contains_the_valid_fields():
    seen = read_partial_event(event_body(payment_fields(amount_due="a lot", version=7)))

    assert (seen.key, seen.version, seen.patient_id) == (LocalKey("clinic", "payment", "1"), 7, "patient")
    assert (seen.charge_type, seen.amount_paid) == (ChargeType.COPAY, Decimal("25.00"))
    assert seen.saved_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    "changes", [{"clinic_id": 7}, {"payment_id": ""}, {"line_id": ...}, {"line_id": "\ud800"}], ids=repr
)
def test_partial_event_without_a_part_of_the_key_has_no_key(changes):
    assert read_partial_event(event_body(payment_fields(**changes))).key is None
