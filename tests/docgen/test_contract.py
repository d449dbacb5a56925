"""The published contract accepts and rejects the same events as the code."""

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker

from docgen import __main__ as docgen
from docgen import contract
from docgen.contract_words import EXAMPLE_BY_MODEL, MEANING_BY_FIELD
from emr.client import STREAM_DEFAULT
from payments.contract.errors import EventError
from payments.contract.event import read_event
from tests.builders.events import deleted_payment, event_body, payment_fields, saved_charge, saved_patient
from tests.contract.test_event import CHANGED_FIELDS, REFUND_FIELDS, amounts, identifiers
from tests.contract.test_event_errors import BLANK_CHARACTERS, INVALID_REFUNDS, REQUIRED_FIELDS, WRONG_VALUES

CONTRACT_FOLDER = docgen.DOCS / "contract"
SCHEMA = json.loads((CONTRACT_FOLDER / contract.SCHEMA_FILE).read_text())
VALIDATOR = Draft202012Validator(SCHEMA, format_checker=FormatChecker(["date"]))

ACCEPTED_EVENTS = [
    payment_fields(),
    payment_fields(charge_type="Payment on Account", date_of_service=None),
    payment_fields(amount_due="-80.00", amount_paid="-80.00", refund_of="clinic/payment-1/1"),
    payment_fields(amount_paid="-0.00", paid=False),
    payment_fields(amount_due="0.00", amount_paid="0.00"),
    payment_fields(amount_paid="0.00", paid=False, refund_of=""),
    payment_fields(memo="", case_id=None, reference="1021", refund_of=None),
    payment_fields(entered_by="K. Front Desk", more={"of": ["anything"]}),
    payment_fields(saved_at="2026-06-05 10:00:00.123456789z", version=2**63 - 1),
    payment_fields(patient_id="Zoë 的 🦷", line_id="1 / 2"),
    *(
        json.loads(event_body(event))
        for event in (deleted_payment(), saved_patient(name="Ada"), saved_charge("c-1", "-3.00"))
    ),
    *(payment_fields(**{field: value}) for field, value in CHANGED_FIELDS.items()),
    payment_fields(**REFUND_FIELDS),
    payment_fields(**REFUND_FIELDS | {"amount_paid": "0.00", "refund_of": "a/b/c/d"}),
]
REJECTED_EVENTS = [
    *(payment_fields(**{field: value}) for field, value, _ in WRONG_VALUES),
    *(payment_fields(**changes) for changes, _, _ in INVALID_REFUNDS),
    *(payment_fields(**{field: ...}) for field in REQUIRED_FIELDS),
    payment_fields(amount_due="-1.00", refund_of=""),
    payment_fields(saved_at="2026-06-05T23:59:60Z"),
    {**payment_fields(), "type": "charge.saved"},
    "payment.saved",
    [],
    None,
]
# JSON Schema cannot express these: 1.0 is an integer for it, most validators do not check the calendar, and a schema
# cannot compare two fields.
REJECTED_BY_THE_READER_ONLY = [
    payment_fields(version=1.0),
    payment_fields(saved_at="2026-02-30T10:00:00Z"),
    payment_fields(**REFUND_FIELDS | {"refund_of": "clinic/payment/1"}),
]
# The contract asks for the canonical form of a UUID; the reader accepts other spellings.
ACCEPTED_BY_THE_READER_ONLY = [payment_fields(event_id="0b5a8a527f3e4c1e9a555f2f0c6f1a02")]


def is_accepted(content):
    try:
        read_event(event_body(content) if isinstance(content, dict) else json.dumps(content).encode())
    except EventError:
        return False
    return True


def test_schema_is_valid_and_describes_every_field():
    Draft202012Validator.check_schema(SCHEMA)
    fields = [field for definition in SCHEMA["$defs"].values() for field in definition.get("properties", {}).items()]

    assert {name for name, _ in fields} == set(MEANING_BY_FIELD)
    assert [name for name, form in fields if not form["description"].startswith(MEANING_BY_FIELD[name])] == []


@pytest.mark.parametrize("content", ACCEPTED_EVENTS, ids=lambda content: json.dumps(content)[-40:])
def test_event_that_the_reader_accepts_matches_the_schema(content):
    assert is_accepted(content)
    assert [error.message for error in VALIDATOR.iter_errors(content)] == []


@pytest.mark.parametrize("content", REJECTED_EVENTS, ids=lambda content: json.dumps(content)[-40:])
def test_event_that_the_reader_rejects_violates_the_schema(content):
    assert not is_accepted(content)
    assert not VALIDATOR.is_valid(content)


def test_schema_and_reader_differ_only_where_documented():
    assert not any(is_accepted(content) or not VALIDATOR.is_valid(content) for content in REJECTED_BY_THE_READER_ONLY)
    assert [is_accepted(content) and not VALIDATOR.is_valid(content) for content in ACCEPTED_BY_THE_READER_ONLY] == [
        True
    ]


@given(identifiers, amounts, amounts)
def test_schema_and_reader_agree_on_amounts_and_ids(identifier, due, paid):
    for refund in (None, "clinic/payment-1/1"):
        content = payment_fields(payment_id=identifier, amount_due=due, amount_paid=paid, refund_of=refund)

        assert is_accepted(content) == VALIDATOR.is_valid(content)


@given(st.text("ab/ \t", max_size=9))
def test_schema_and_reader_agree_on_the_key_of_a_refunded_line(key):
    content = payment_fields(refund_of=key, amount_due="0.00", amount_paid="0.00")

    assert is_accepted(content) == VALIDATOR.is_valid(content)


@pytest.mark.parametrize("blank", [blank for blank in BLANK_CHARACTERS if blank < "\U00010000"], ids=ascii)
def test_schema_rejects_ids_with_a_blank_at_an_end(blank):
    for field, value in (("payment_id", "P-1"), ("case_id", "C-1"), ("refund_of", "clinic/P-1/1")):
        for padded in (blank, blank + value, value + blank):
            content = payment_fields(**REFUND_FIELDS | {field: padded})

            assert not is_accepted(content)
            assert not VALIDATOR.is_valid(content)


@pytest.mark.parametrize("name", EXAMPLE_BY_MODEL)
def test_example_is_an_event(name):
    assert type(read_event(json.dumps(EXAMPLE_BY_MODEL[name]).encode())).__name__ == name
    assert VALIDATOR.is_valid(EXAMPLE_BY_MODEL[name])


def test_asyncapi_has_the_stream_and_a_schema_for_each_message():
    document = yaml.safe_load((CONTRACT_FOLDER / contract.ASYNCAPI_FILE).read_text())
    channel, messages = document["channels"]["payments"], document["components"]["messages"]

    assert document == contract.asyncapi()
    assert channel["address"] == STREAM_DEFAULT
    assert channel["x-redis-entry"]["required"] == ["event"]
    assert {message["$ref"].rpartition("/")[2] for message in channel["messages"].values()} == set(messages)
    for name, message in messages.items():
        file, _, pointer = message["payload"]["$ref"].partition("#/$defs/")
        assert (CONTRACT_FOLDER / file).is_file()
        assert SCHEMA["$defs"][pointer]["properties"]["type"]["const"] == message["name"], name


def test_contract_folder_has_no_other_file():
    assert {path.name for path in CONTRACT_FOLDER.iterdir()} == set(contract.render_documents())
