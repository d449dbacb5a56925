"""An event is rejected if a key occurs twice in one JSON object."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.contract.errors import EventError
from payments.contract.event import read_event
from payments.contract.partial_event import read_partial_event
from tests.builders.events import event_body, payment_fields

COLONS_WITH_BLANKS = [":", ": ", " :", "\t:", "\n : ", "\r\n:"]


def json_object(pairs, colon=":"):
    """Return the text of a JSON object with these pairs (key, value as JSON text), in the given order."""
    return "{" + ",".join(f"{json.dumps(key)}{colon}{value}" for key, value in pairs) + "}"


def to_pairs(content):
    return [(key, json.dumps(value)) for key, value in content.items()]


def refusal(body):
    with pytest.raises(EventError) as refused:
        read_event(body)
    return str(refused.value)


@given(
    key=st.sampled_from([*payment_fields(), "memo", "unknown"]),
    position=st.integers(0, 30),
    colon=st.sampled_from(COLONS_WITH_BLANKS),
    value=st.sampled_from(['"25.00"', "1", "null", "[]", '"\\":"']),
    memo=st.text(max_size=20),
)
def test_repeated_key_is_refused_and_named_in_the_error(key, position, colon, value, memo):
    pairs = to_pairs(payment_fields(memo=memo.replace("\0", ""), unknown="x"))
    pairs.insert(position, (key, value))

    assert refusal(json_object(pairs, colon).encode()) == f"event: the key '{key}' occurs twice in one object"


@pytest.mark.parametrize(
    "more",
    [
        '"x": {"a": 1, "b": 2, "a": 1}',
        '"x": [[{"deep": {"a": 1, "a": 2}}]]',
        '"x": {"a": 1, "\\u0061": 2}',
        '"a" : 1, "a":2',
        '"a": 1' + "," * 1 + '"a": {"a": 1}',
    ],
)
def test_repeated_key_is_refused_at_any_depth(more):
    body = event_body(payment_fields())[:-1] + f", {more}}}".encode()

    assert refusal(body) == "event: the key 'a' occurs twice in one object"


@pytest.mark.parametrize(
    ("key", "shown"), [("", "''"), ("\0", r"'\x00'"), ("k" * 70, f"'{'k' * 60}' and 10 characters more")]
)
def test_repeated_key_is_named_in_printable_characters(key, shown):
    body = json_object([*to_pairs(payment_fields()), (key, "1"), (key, "1")]).encode()

    assert refusal(body) == f"event: the key {shown} occurs twice in one object"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(
    more=st.dictionaries(st.text(max_size=3), json_values, max_size=3),
    memo=st.sampled_from([None, '":', 'a" : "b', '{"a":1,"a":2}', "a\n:\t"]),
    colon=st.sampled_from(COLONS_WITH_BLANKS),
)
def test_event_without_a_repeated_key_is_read(more, memo, colon):
    content = more | payment_fields(memo=memo)

    event = read_event(json_object(to_pairs(content), colon).encode())

    assert (str(event.event_id), event.memo) == (content["event_id"], memo)


def test_event_with_a_repeated_payment_id_has_no_line_key():
    body = json_object([*to_pairs(payment_fields()), ("payment_id", '"other"')]).encode()

    partial = read_partial_event(body)

    assert (partial.key, partial.clinic_id, partial.payment_id, partial.version) == (None, "clinic", None, 1)
