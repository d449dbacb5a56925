"""The error of an invalid event is one line that names the invalid field and the expected value."""

import json
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from payments.contract.errors import EventError
from payments.contract.event import read_event
from payments.contract.partial_event import PartialEvent, read_partial_event
from tests.builders.events import event_body, event_fields, payment_fields
from tests.contract.test_event import INVISIBLE_CHARACTERS

pytestmark = pytest.mark.slow

TYPE_ERROR = "expected one of payment.saved, payment.deleted, patient.saved, charge.saved"
DOLLARS_ERROR = 'expected dollars as text with two decimals, e.g. "25.00"'
DATE_ERROR = "expected a date that exists, YYYY-MM-DD"
TIME_ERROR = "expected an RFC 3339 time with its offset"
IDENTIFIER_ERROR = "expected text of 1 to 64 printable characters"
PRINTED_KEY_ERROR = 'expected the key of a line, clinic/payment/line, e.g. "north/p-1001/1"'
VERSION_ERROR = "expected a whole number from 1"
NEGATIVE_AMOUNT_ERROR = "negative only on a refund line"

BODIES_WITHOUT_AN_OBJECT = [
    (b"", "EOF"),
    (b"{", "EOF"),
    (b"payment", "expected value"),
    (b'{"memo": "\xff"}', "byte 10 is not UTF-8"),
    (b'{"type": "payment.saved", "memo": "\\ud800"}', "line 1"),
    (b"\xef\xbb\xbf{}", "it begins with a byte order mark"),
    (b"[" * 100_000, "recursion limit"),
    (b"1" * 5_000, "out of range"),
    (b"[]", "got []"),
    (b"null", "got null"),
    (b'"payment.saved"', "got 'payment.saved'"),
]
WRONG_VALUES = [
    ("type", "payment.refunded", f"{TYPE_ERROR}; got 'payment.refunded'"),
    ("type", ..., f"missing; {TYPE_ERROR}"),
    *(("type", value, f"{TYPE_ERROR}; got {json.dumps(value)}") for value in (None, 7, True, [], {"a": "b"})),
    ("schema", 2, "expected 1; got 2"),
    ("schema", True, "expected 1; got true"),
    ("event_id", "7", "expected a UUID; got '7'"),
    ("event_id", 7, "expected a UUID; got 7"),
    ("clinic_id", "", IDENTIFIER_ERROR),
    ("clinic_id", "  ", IDENTIFIER_ERROR),
    ("clinic_id", 7, IDENTIFIER_ERROR),
    ("payment_id", "x" * 65, IDENTIFIER_ERROR),
    ("line_id", "a\nb", IDENTIFIER_ERROR),
    ("line_id", "a\u202eb", IDENTIFIER_ERROR),
    ("patient_id", None, IDENTIFIER_ERROR),
    ("version", 0, VERSION_ERROR),
    ("version", -1, VERSION_ERROR),
    ("version", 2**63, VERSION_ERROR),
    ("version", True, VERSION_ERROR),
    ("version", "1", VERSION_ERROR),
    ("version", 1.5, VERSION_ERROR),
    ("saved_at", "2026-06-05T10:00:00", TIME_ERROR),
    ("saved_at", "2026-06-05", TIME_ERROR),
    ("saved_at", "2026-06-05T25:00:00Z", TIME_ERROR),
    ("saved_at", "2026-06-05T10:00:00+99:00", TIME_ERROR),
    ("saved_at", 1_780_000_000, TIME_ERROR),
    ("charge_type", "Tip", "expected one of Copay, Deductible, Wellness, Supplies, Other, Coinsurance, Payment on"),
    ("charge_type", "copay", "expected one of Copay"),
    ("method", "Barter", "expected one of Cash, Check, Credit Card, EFT, Other; got 'Barter'"),
    ("amount_due", 25, DOLLARS_ERROR + "; got 25"),
    ("amount_paid", 25.0, DOLLARS_ERROR + "; got 25.0"),
    ("amount_paid", True, DOLLARS_ERROR + "; got true"),
    ("amount_paid", "25", DOLLARS_ERROR),
    ("amount_paid", "25.123", DOLLARS_ERROR),
    ("amount_paid", "25.0", DOLLARS_ERROR),
    ("amount_paid", " 25.00", DOLLARS_ERROR),
    ("amount_paid", "+25.00", DOLLARS_ERROR),
    ("amount_paid", "1e3", DOLLARS_ERROR),
    ("amount_paid", "NaN", DOLLARS_ERROR),
    ("amount_paid", float("nan"), DOLLARS_ERROR),
    ("amount_paid", float("inf"), DOLLARS_ERROR),
    ("amount_paid", "12345678901.00", DOLLARS_ERROR),
    ("amount_paid", "\u0662\u0665.\u0660\u0660", DOLLARS_ERROR),
    ("amount_due", "-25.00", NEGATIVE_AMOUNT_ERROR),
    ("amount_paid", "-25.00", NEGATIVE_AMOUNT_ERROR),
    ("amount_paid", "0.00", "expected more than 0.00 on a line marked Paid"),
    ("paid", 1, "expected true or false; got 1"),
    ("paid", "true", "expected true or false; got 'true'"),
    ("internal_payment", None, "expected true or false; got null"),
    ("transaction_date", "2026-02-30", DATE_ERROR),
    ("transaction_date", "2026-6-5", DATE_ERROR),
    ("transaction_date", 20260605, DATE_ERROR),
    ("transaction_date", "2026-06-05T10:00:00", DATE_ERROR),
    ("transaction_date", "0026-06-05", DATE_ERROR),
    ("transaction_date", None, DATE_ERROR),
    ("date_of_service", "2026-13-01", DATE_ERROR + ", or null"),
    ("memo", "x" * 1_000_000, "expected text of up to 2,000 characters, or null; got 'xxxxxxxxxx"),
    ("memo", "a\x00b", "expected text of up to 2,000 characters"),
    ("memo", 7, "expected text of up to 2,000 characters"),
    ("provider_id", "x" * 201, "expected text of up to 200 printable characters"),
    ("reference", "x" * 201, "expected text of up to 200 characters"),
    ("refund_of", {"payment": "1"}, PRINTED_KEY_ERROR),
    ("refund_of", "p-1", PRINTED_KEY_ERROR + ", or null; got 'p-1'"),
    ("refund_of", "clinic/p-1", PRINTED_KEY_ERROR),
    ("refund_of", "clinic//1", PRINTED_KEY_ERROR),
    ("refund_of", "/p-1/1", PRINTED_KEY_ERROR),
    ("refund_of", "clinic/p-1/", PRINTED_KEY_ERROR),
    ("refund_of", "clinic/p-1 /1", PRINTED_KEY_ERROR),
    ("refund_of", "clinic/ p-1/1", PRINTED_KEY_ERROR),
    ("refund_of", " clinic/p-1/1", PRINTED_KEY_ERROR),
    ("refund_of", "clinic/p-1/1\t", PRINTED_KEY_ERROR),
    ("refund_of", "x" * 65 + "/p-1/1", PRINTED_KEY_ERROR),
    ("refund_of", "clinic/p-1/" + "x" * 65, PRINTED_KEY_ERROR),
]
ID_FIELDS = {
    "payment.saved": "company_id clinic_id patient_id payment_id line_id case_id provider_id".split(),
    "payment.deleted": "company_id clinic_id patient_id payment_id line_id".split(),
    "patient.saved": "company_id patient_id".split(),
    "charge.saved": "company_id clinic_id patient_id charge_id".split(),
}
BLANK_CHARACTERS = [
    " ",
    "    ",
    "\t",
    "\n",
    "\u00a0",
    "\u2007",
    "\u3000",
    "\u200b",
    "\u2060",
    "\ufeff",
    "\x00",
    "\x7f",
    *INVISIBLE_CHARACTERS,
]
REFUND_FIELDS = {"amount_due": "-25.00", "amount_paid": "-25.00", "refund_of": "clinic/other/1"}
INVALID_REFUNDS: list[tuple[dict[str, str], str, str]] = [
    (REFUND_FIELDS | {"amount_paid": "25.00"}, "amount_paid", "expected 0.00 or less on a refund line; got 25.00"),
    (REFUND_FIELDS | {"amount_due": "25.00"}, "amount_due", "expected 0.00 or less on a refund line; got 25.00"),
    (REFUND_FIELDS | {"amount_due": "25.00", "amount_paid": "25.00"}, "amount_paid", "expected 0.00 or less"),
    (REFUND_FIELDS | {"amount_due": "0.00", "amount_paid": "0.01"}, "amount_paid", "expected 0.00 or less"),
    (REFUND_FIELDS | {"refund_of": ""}, "amount_paid", NEGATIVE_AMOUNT_ERROR),
    (REFUND_FIELDS | {"amount_due": "25.00", "refund_of": ""}, "amount_paid", NEGATIVE_AMOUNT_ERROR),
    (REFUND_FIELDS | {"amount_paid": "25.00", "refund_of": ""}, "amount_due", NEGATIVE_AMOUNT_ERROR),
]
REFUNDS_OF_THEMSELVES = [
    {"refund_of": "clinic/payment/1"},
    {"refund_of": "clinic/a/b/1", "payment_id": "a/b"},
    {"refund_of": "clinic/a/b/1", "payment_id": "a", "line_id": "b/1"},
]
REQUIRED_FIELDS = [name for name in payment_fields() if name != "type"]


def refusal(content):
    with pytest.raises(EventError) as refused:
        read_event(content if isinstance(content, bytes) else event_body(content))
    return refused.value


@pytest.mark.parametrize(("content", "found"), BODIES_WITHOUT_AN_OBJECT, ids=lambda value: repr(value)[:20])
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


@pytest.mark.parametrize(("changes", "field", "problem"), INVALID_REFUNDS, ids=lambda value: repr(value)[-40:])
def test_refund_line_with_an_amount_of_the_wrong_sign_is_refused_by_field(changes, field, problem):
    error = refusal(payment_fields(**changes))

    assert (error.field, str(error).startswith(f"{field}: {problem}")) == (field, True), error


@pytest.mark.parametrize("changes", REFUNDS_OF_THEMSELVES, ids=lambda changes: changes["refund_of"])
def test_refund_of_the_line_itself_is_refused(changes):
    error = refusal(payment_fields(**REFUND_FIELDS | changes))

    assert str(error) == f"refund_of: {changes['refund_of']} is this line itself; name the refunded line"


dollar_texts = st.integers(-10_000, 10_000).map(lambda cents: f"{Decimal(cents) / 100:.2f}")


@given(dollar_texts, dollar_texts, st.sampled_from([None, "", "clinic/other/1"]), st.booleans())
@example("0.00", "0.00", "clinic/other/1", True)
def test_amounts_of_a_refund_are_never_positive_and_others_never_negative(due, paid, refund_of, is_paid):
    content = payment_fields(amount_due=due, amount_paid=paid, refund_of=refund_of, paid=is_paid)
    amounts = [Decimal(due), Decimal(paid)]
    if refund_of:
        valid = max(amounts) <= 0
    else:
        valid = min(amounts) >= 0 and not (is_paid and amounts[0] > 0 and amounts[1] == 0)

    if valid:
        assert read_event(event_body(content)).amount_paid == Decimal(paid)
    else:
        assert refusal(content).field in {"amount_due", "amount_paid"}


@pytest.mark.parametrize(("kind", "field"), [(kind, field) for kind, fields in ID_FIELDS.items() for field in fields])
@pytest.mark.parametrize("blank", BLANK_CHARACTERS, ids=ascii)
def test_id_with_a_blank_at_an_end_is_refused_by_field(kind, field, blank):
    charge = {"charge_id": "c", "date_of_service": "2026-06-05", "patient_balance": "5.00", "insurance_open": False}
    for padded in (blank, blank + "P-1", "P-1" + blank, blank + "P-1" + blank):
        changes = (charge if kind == "charge.saved" else {}) | {field: padded}
        error = refusal(payment_fields(**changes) if kind == "payment.saved" else event_fields(kind, **changes))

        assert (error.field, str(error).isprintable()) == (field, True), error


@pytest.mark.parametrize("field", REQUIRED_FIELDS)
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
        result = "read" if read_event(event_body(event)) == event else ""
    except EventError as error:
        result = str(error)
    assert result.isprintable()
    assert 0 < len(result) < 300
