"""The fast reader of plain payments returns the same event as `read_event`, or None."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from payments.contract.errors import EventError
from payments.contract.event import PaymentSaved, read_event
from payments.contract.keys import LineKey
from payments.contract.plain_payment import read_plain_payment
from tests.builders.events import deleted_payment, event_body, payment_fields, saved_patient

OPTIONAL_FIELDS = ["case_id", "provider_id", "reference", "memo", "refund_of"]
ODD_VALUES = [
    *(None, True, False, 0, 1, -1, 1.0, 1.5, 2**63 - 1, 2**63, 10**30, [], {}, [1], {"a": 1}),
    *("", " ", "a", " a", "a ", "a b", "a  b", "a" * 64, "a" * 65, "a" * 200, "a" * 201, "m" * 2_000, "m" * 2_001),
    *("\x00", "a\x7f", "a\nb", "a\tb", 'a"b', "a\\b", "é", "e\u0301", "\u200b", "\ud800", "\U0001f600"),
    *('":', '","x":"', '"'),
    *("0.00", "-0.00", "00.00", "025.00", "25.0", "25.000", "25", "2.5e1", " 25.00", "9999999999.99", "10000000000.00"),
    *("2026-06-05", "1899-12-31", "1900-01-01", "2999-12-31", "3000-01-01", "2026-02-30", "2026-6-5", "20260605"),
    *("2026-06-05T23:59:59Z", "2026-06-05t23:59:59z", "2026-06-05 23:59:59Z", "2026-06-05T24:00:00Z"),
    *("2026-06-05T23:59:60Z", "2026-06-05T23:59Z", "2026-06-05T23:59:59", "2026-06-05T23:59:59.5+05:30"),
    *("2026-06-05T23:59:59.123456-07:00", "2026-06-05T23:59:59.1234567Z", "2026-06-05T23:59:59-00:00"),
    *("2026-06-05T23:59:59+23:59", "2026-06-05T23:59:59+24:00", "2026-06-05T23:59:59+05:60", "2026-02-30T00:00:00Z"),
    *("1899-12-31T23:59:59Z", "2999-12-31T23:59:59-23:59", "2026-06-05T23:59:59+0530", "2026-W23-5T00:00:00Z"),
    *("6F1C8E7C-1B2A-4C3D-8E4F-5A6B7C8D9E0F", "6f1c8e7c1b2a4c3d8e4f5a6b7c8d9e0f"),
    *("{6f1c8e7c-1b2a-4c3d-8e4f-5a6b7c8d9e0f}", "urn:uuid:6f1c8e7c-1b2a-4c3d-8e4f-5a6b7c8d9e0f"),
    *("copay", "Copay", "Payment on Account", "EFT", "payment.deleted", "patient.saved", "clinic/payment/1", "a/b/c"),
]
COMPACT, SPACED = (",", ":"), (", ", ": ")


def assert_readers_agree(body):
    """Assert that the fast reader returns the same event as `read_event`, or None."""
    plain = read_plain_payment(body)
    if plain is not None:
        event = read_event(body)
        assert plain == event
        for name in PaymentSaved.model_fields:
            assert type(getattr(plain, name)) is type(getattr(event, name)), name
        assert plain.content_hash == event.content_hash
        assert plain.model_dump_json() == event.model_dump_json()
        assert (plain.key, plain.clinic_key) == (event.key, event.clinic_key)
        assert plain.saved_at.utcoffset() == event.saved_at.utcoffset()


@pytest.mark.parametrize("separators", [COMPACT, SPACED], ids=["compact", "spaced"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        dict.fromkeys(OPTIONAL_FIELDS),
        dict.fromkeys(OPTIONAL_FIELDS, ""),
        {"case_id": "case 1", "provider_id": "p", "reference": "check 1021", "memo": "two  spaces, at the end "},
        {"date_of_service": None, "charge_type": "Payment on Account", "amount_due": "0.00"},
        {"paid": False, "amount_paid": "0.00"},
        {"saved_at": "2026-06-05T10:00:00.123456-07:00", "version": 2**63 - 1},
        {"event_id": "6F1C8E7C-1B2A-4C3D-8E4F-5A6B7C8D9E0F", "payment_id": "p" * 64},
    ],
    ids=str,
)
def test_usual_payment_is_read_without_pydantic(changes, separators):
    body = json.dumps(payment_fields(**changes), separators=separators).encode()

    assert read_plain_payment(body) is not None
    assert_readers_agree(body)


def test_plain_payment_has_the_values_that_the_emr_saved():
    payment = read_plain_payment(event_body(payment_fields(saved_at="2026-06-05T23:30:00-07:00", memo="", version=3)))

    assert isinstance(payment, PaymentSaved)
    assert payment.key == LineKey("company", "clinic", "payment", "1")
    assert (payment.version, payment.amount, payment.memo) == (3, Decimal("25.00"), None)
    assert payment.saved_at == datetime(2026, 6, 6, 6, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "body",
    [
        event_body(payment_fields(memo="résumé")),
        json.dumps(payment_fields(memo="résumé"), ensure_ascii=False).encode(),
        event_body(payment_fields(refund_of="clinic/other/1", amount_due="-5.00", amount_paid="-5.00")),
        event_body(payment_fields(entered_by="K. Front Desk")),
        event_body(deleted_payment()),
        event_body(saved_patient()),
        b"",
        b"[]",
        b"null",
        b"{",
    ],
)
def test_body_that_is_not_a_plain_payment_returns_none(body):
    assert read_plain_payment(body) is None


@given(
    changes=st.dictionaries(
        st.sampled_from([*payment_fields(), *OPTIONAL_FIELDS]), st.sampled_from([..., *ODD_VALUES])
    ),
    separators=st.sampled_from([COMPACT, SPACED, (",\n", ": "), (" , ", " : ")]),
    in_ascii=st.booleans(),
)
@example(changes={"amount_paid": "0.00"}, separators=COMPACT, in_ascii=True)
@example(changes={"amount_due": "0.00"}, separators=COMPACT, in_ascii=True)
def test_readers_agree_on_odd_values(changes, separators, in_ascii):
    text = json.dumps(payment_fields(**changes), separators=separators, ensure_ascii=in_ascii)

    assert_readers_agree(text.encode(errors="surrogatepass"))


@given(
    name=st.sampled_from([*payment_fields(), *OPTIONAL_FIELDS]),
    value=st.text(max_size=12) | st.sampled_from(ODD_VALUES),
    is_last=st.booleans(),
    is_without=st.sampled_from([None, *OPTIONAL_FIELDS]),
)
def test_readers_agree_on_repeated_keys(name, value, is_last, is_without):
    """Each event lacks one optional key and has another key twice, so its number of keys is the usual one.

    The fast reader must notice the repeated key.
    """
    pairs = [(key, each) for key, each in payment_fields(**dict.fromkeys(OPTIONAL_FIELDS)).items() if key != is_without]
    pairs.insert(len(pairs) if is_last else 0, (name, value))
    body = ("{" + ",".join(f"{json.dumps(key)} :{json.dumps(each)}" for key, each in pairs) + "}").encode()

    assert_readers_agree(body)
    if name != is_without:
        with pytest.raises(EventError):
            read_event(body)
        assert read_plain_payment(body) is None


@given(st.integers(0, 600), st.integers(0, 3), st.binary(max_size=3), st.text(max_size=9))
@example(position=10, removed=1, inserted=b"1.0", memo="")
@example(position=1, removed=0, inserted=b"\xef\xbb\xbf", memo="")
def test_readers_agree_on_damaged_bodies(position, removed, inserted, memo):
    body = event_body(payment_fields(memo=memo, reference="r", case_id=None))

    assert_readers_agree(body[:position] + inserted + body[position + removed :])


@given(st.sampled_from([b"1.0", b"1e0", b"01", b"+1", b"-1", b"1_0", b"NaN", b"true", b'"1"', b"1 ", b"0x1", b"1"]))
def test_readers_agree_on_forms_of_numbers(number):
    for name in (b"schema", b"version", b"paid"):
        body = event_body(payment_fields(schema="?", version="?", paid="?"))
        for other in (b"schema", b"version", b"paid"):
            body = body.replace(b'"%s": "?"' % other, b'"%s": %s' % (other, number if other == name else b"1"), 1)
        assert_readers_agree(body.replace(b'"paid": 1', b'"paid": true'))
