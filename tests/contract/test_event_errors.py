"""Contract errors: one line with the invalid field and what was expected there."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.contract.errors import EventError
from payments.contract.event import read_event
from payments.contract.partial_event import PartialEvent, read_partial_event
from tests.builders.events import event_body, payment_fields

DOLLARS = 'expected dollars as text with two decimals, e.g. "25.00"'
DAY = "expected a date that exists, YYYY-MM-DD"
INSTANT = "expected an RFC 3339 time with its offset"
IDENTIFIER = "expected text of 1 to 64 printable characters"
VERSION = "expected a whole number from 1"
REFUND = "negative only on a refund line"

NOT_AN_OBJECT = [
    (b"", "EOF"),
    (b"{", "EOF"),
    (b"payment", "expected value"),
    (b'{"memo": "\xff"}', "byte 10 is not UTF-8"),
    (b'{"type": "payment.saved", "memo": "\\ud800"}', "line 1"),
    (b"\xef\xbb\xbf{}", "expected value"),
    (b"[" * 100_000, "recursion limit"),
    (b"1" * 5_000, "out of range"),
    (b"[]", "got []"),
    (b"null", "got null"),
    (b'"payment.saved"', "got 'payment.saved'"),
]
WRONG_VALUES = [
    ("type", "payment.refunded", "expected one of payment.saved, payment.deleted, patient.saved, charge.saved"),
    ("type", ..., "missing; expected one of payment.saved"),
    ("type", None, "expected one of payment.saved"),
    ("schema", 2, "expected 1; got 2"),
    ("schema", True, "expected 1; got true"),
    ("event_id", "7", "expected a UUID; got '7'"),
    ("event_id", 7, "expected a UUID; got 7"),
    ("clinic_id", "", IDENTIFIER),
    ("clinic_id", "  ", IDENTIFIER),
    ("clinic_id", 7, IDENTIFIER),
    ("payment_id", "x" * 65, IDENTIFIER),
    ("line_id", "a\nb", IDENTIFIER),
    ("line_id", "a\u202eb", IDENTIFIER),
    ("patient_id", None, IDENTIFIER),
    ("version", 0, VERSION),
    ("version", -1, VERSION),
    ("version", 2**63, VERSION),
    ("version", True, VERSION),
    ("version", "1", VERSION),
    ("version", 1.5, VERSION),
    ("saved_at", "2026-06-05T10:00:00", INSTANT),
    ("saved_at", "2026-06-05", INSTANT),
    ("saved_at", "2026-06-05T25:00:00Z", INSTANT),
    ("saved_at", "2026-06-05T10:00:00+99:00", INSTANT),
    ("saved_at", 1_780_000_000, INSTANT),
    ("charge_type", "Tip", "expected one of Copay, Deductible, Wellness, Supplies, Other, Coinsurance, Payment on"),
    ("charge_type", "copay", "expected one of Copay"),
    ("method", "Barter", "expected one of Cash, Check, Credit Card, EFT, Other; got 'Barter'"),
    ("amount_due", 25, DOLLARS + "; got 25"),
    ("amount_paid", 25.0, DOLLARS + "; got 25.0"),
    ("amount_paid", True, DOLLARS + "; got true"),
    ("amount_paid", "25", DOLLARS),
    ("amount_paid", "25.123", DOLLARS),
    ("amount_paid", "25.0", DOLLARS),
    ("amount_paid", " 25.00", DOLLARS),
    ("amount_paid", "+25.00", DOLLARS),
    ("amount_paid", "1e3", DOLLARS),
    ("amount_paid", "NaN", DOLLARS),
    ("amount_paid", float("nan"), DOLLARS),
    ("amount_paid", float("inf"), DOLLARS),
    ("amount_paid", "12345678901.00", DOLLARS),
    ("amount_paid", "\u0662\u0665.\u0660\u0660", DOLLARS),
    ("amount_due", "-25.00", REFUND),
    ("amount_paid", "-25.00", REFUND),
    ("amount_paid", "0.00", "expected more than 0.00 on a line marked Paid"),
    ("paid", 1, "expected true or false; got 1"),
    ("paid", "true", "expected true or false; got 'true'"),
    ("internal_payment", None, "expected true or false; got null"),
    ("transaction_date", "2026-02-30", DAY),
    ("transaction_date", "2026-6-5", DAY),
    ("transaction_date", 20260605, DAY),
    ("transaction_date", "2026-06-05T10:00:00", DAY),
    ("transaction_date", "0026-06-05", DAY),
    ("transaction_date", None, DAY),
    ("date_of_service", "2026-13-01", DAY + ", or null"),
    ("memo", "x" * 1_000_000, "expected text of up to 2,000 characters, or null; got 'xxxxxxxxxx"),
    ("memo", "a\x00b", "expected text of up to 2,000 characters"),
    ("memo", 7, "expected text of up to 2,000 characters"),
    ("provider_id", "x" * 201, "expected text of up to 200 characters"),
    ("refund_of", {"payment": "1"}, "expected text of up to 200 characters"),
]
REQUIRED = [name for name in payment_fields() if name != "type"]


def refusal(content):
    with pytest.raises(EventError) as refused:
        read_event(content if isinstance(content, bytes) else event_body(content))
    return refused.value


@pytest.mark.parametrize(("content", "found"), NOT_AN_OBJECT, ids=lambda value: repr(value)[:20])
def test_body_that_is_not_a_json_object_is_refused_with_its_position(content, found):
    error = refusal(content)

    assert error.field == "event"
    assert "expected one JSON object" in str(error)
    assert found in str(error)


@pytest.mark.parametrize(("field", "value", "said_of_it"), WRONG_VALUES, ids=lambda value: repr(value)[:30])
def test_invalid_value_is_refused_in_one_line_with_its_field(field, value, said_of_it):
    error = refusal(payment_fields(**{field: value}))

    assert error.field == field
    assert str(error).startswith(f"{field}: {said_of_it}")
    assert str(error).isprintable()
    assert len(str(error)) < 300


@pytest.mark.parametrize("field", REQUIRED)
def test_missing_field_is_refused_with_its_name(field):
    error = refusal(payment_fields(**{field: ...}))

    assert error.field == field
    assert str(error).startswith(f"{field}: missing; expected ")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=5,
)
nearly_events = st.dictionaries(st.sampled_from([*payment_fields(), "memo", "refund_of"]), json_values).map(
    lambda changes: json.dumps(payment_fields(**changes)).encode()
)


@given(st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()) | nearly_events)
def test_any_body_is_read_or_refused_in_one_printable_line(content):
    assert isinstance(read_partial_event(content), PartialEvent)
    try:
        event = read_event(content)
    except EventError as error:
        told = str(error)
    else:
        told = "read"
        assert read_event(event_body(event)) == event

    assert told.isprintable()
    assert 0 < len(told) < 300
