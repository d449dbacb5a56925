"""A line of a file holds an event and its signature. Reading the line returns both unchanged."""

import base64
import json
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from console.cli.event_lines import SignedBody, keeping_signatures, load_signing_function, read_lines, to_line
from payments.contract.signature import signature_of
from tests.examples import example_count

EVENT_BODY = b'{\n  "company_id": "acme"\r\n}\n'
SIGNED_LINE = to_line(EVENT_BODY, "2026-10:5f")
SECRET = "0123456789abcdef" * 4


def read(*lines: bytes) -> list[tuple[bytes, str | None]]:
    """Read a file with these lines. Return each event with its signature, or with None if the line has none."""
    sign = keeping_signatures(None)
    return [(body, sign(body)) for body in read_lines(BytesIO(b"\n".join(lines)))]


@settings(max_examples=example_count(20))
@given(st.lists(st.tuples(st.binary(min_size=1), st.text()), max_size=5))
def test_signed_events_keep_their_bytes_and_signatures(events: list[tuple[bytes, str]]) -> None:
    assert read(*(to_line(*event) for event in events)) == events


def test_unsigned_event_is_one_line_with_the_same_json() -> None:
    (found,) = read(to_line(EVENT_BODY, None))

    assert (json.loads(found[0]), found[1]) == ({"company_id": "acme"}, None)


@pytest.mark.parametrize(
    "line",
    [
        b'{"event_base64": "e30=", "signature": "x", "more": 1}',
        b'{"event_base64": "e30=", "signature": null}',
        b'{"event_base64": "e30", "signature": "x"}',
        b'{"event_base64": 7, "signature": "x"}',
        b'["event_base64"]',
        b'{"event_base64": ',
        b"[" * 100_000 + b'"event_base64"',
    ],
    ids=range(7),
)
def test_line_that_is_no_signed_event_is_sent_unchanged(line: bytes) -> None:
    assert read(line) == [(line, None)]


def test_key_of_the_company_replaces_an_earlier_signature(tmp_path: Path) -> None:
    (tmp_path / "keys.toml").write_text(f'[acme]\n"2027-01" = "{SECRET}"\n')
    sign = keeping_signatures(load_signing_function(tmp_path / "keys.toml"))
    other = SignedBody.with_signature(b'{"company_id": "other"}', "old")

    assert base64.b64encode(EVENT_BODY) in SIGNED_LINE
    (event,) = read_lines(BytesIO(SIGNED_LINE))
    assert sign(event) == signature_of(EVENT_BODY, "2027-01", bytes.fromhex(SECRET))
    assert sign(other) == "old"
