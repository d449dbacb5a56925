"""Import random bodies. The import raises no error, and each body is imported, or kept whole as a dead letter."""

import hashlib
import json
import uuid
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from payments.contract.errors import EventError
from payments.contract.event import ChargeSaved, PatientSaved, read_event
from payments.journeys import importing
from payments.store.db.connection import Database, Transaction
from tests.builders.events import payment_fields, run_context, stream_entries
from tests.builders.office import Office

EVENT_KEYS = [
    *payment_fields(),
    "case_id",
    "provider_id",
    "reference",
    "memo",
    "refund_of",
    "schema",
    "charge_id",
    "name",
    "entered_by",
]

odd_text = st.one_of(
    st.text(max_size=70),
    st.sampled_from(
        ["", " ", "\0", "\ud800", "a\0b", "é" * 64, "\u202e", "=1+1", "NaN", "Infinity", "-0.00", "1e5", "1_0"]
    ),
    st.sampled_from(["2026-02-30", "0000-01-01", "9999-12-31", "2026-06-05T10:00:00", "2026-06-05T10:00:00+99:00"]),
    st.from_regex(r"-?[0-9]{1,20}\.[0-9]{0,3}", fullmatch=True),
)
odd_json = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), odd_text),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(odd_text, inner, max_size=3)),
    max_leaves=5,
)
field_changes = st.dictionaries(st.sampled_from(EVENT_KEYS), odd_json, max_size=3)
event_types = st.sampled_from(["payment.saved", "payment.deleted", "patient.saved", "charge.saved", "?"])
version_numbers = st.integers(1, 3) | st.sampled_from([2**31, 2**63 - 1, 2**63, 10**30])
amounts = st.sampled_from(["0.01", "25.00", "9999999999.99", "10000000000.00", "-5.00"])


@st.composite
def event_bodies(draw: st.DrawFn) -> bytes:
    """Draw the body of an event in which up to three fields have odd values.

    About a third of the bodies are also cut off, have up to four random bytes inserted, or are random bytes altogether.
    """
    amount, refund_of = draw(amounts), draw(st.sampled_from([None, None, "clinic/a/1"]))
    if refund_of:
        amount = f"-{amount.removeprefix('-')}"
    content = payment_fields(
        type=draw(event_types),
        event_id=str(uuid.UUID(int=draw(st.integers(0, 5) | st.integers(0, 2**128 - 1)))),
        payment_id=draw(st.sampled_from(["a", "b", "c/d", "é"])),
        version=draw(version_numbers),
        amount_due=amount,
        amount_paid=amount,
        refund_of=refund_of,
        charge_id="charge",
        patient_balance="5.00",
        insurance_open=False,
    )
    body = json.dumps(content | draw(field_changes)).encode("utf-8", "surrogatepass")
    where = draw(st.integers(0, len(body)))
    match draw(st.integers(0, 9)):
        case 0:
            return body[:where]
        case 1:
            return body[:where] + draw(st.binary(max_size=4)) + body[where:]
        case 2:
            return draw(st.binary(max_size=200))
    return body


def is_recorded_or_kept(tx: Transaction, body: bytes) -> bool:
    """Return whether the event in `body` was recorded, or the whole `body` is kept as a dead letter."""
    kept = "SELECT body FROM set_aside WHERE body_hash = :hash"
    aside = tx.execute(text(kept), {"hash": hashlib.sha256(body).digest()}).scalar()
    if aside is not None:
        return bytes(aside) == body
    event = read_event(body)  # one that cannot be read has to be among those set aside
    if isinstance(event, PatientSaved | ChargeSaved):
        noted = "SELECT patient_id FROM charges UNION SELECT patient_id FROM patients WHERE known_at IS NOT NULL"
        return event.patient_id in tx.execute(text(noted)).scalars().all()
    return bool(tx.execute(text("SELECT 1 FROM events WHERE event_id = :id"), {"id": event.event_id}).first())


def test_random_bodies_raise_nothing_and_are_kept(database: Database, is_long_run: bool) -> None:
    @settings(
        max_examples=2_000 if is_long_run else 40,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large],
    )
    @given(bodies=st.lists(event_bodies() | st.binary(max_size=50), min_size=1, max_size=20))
    def check(bodies: list[bytes]) -> None:
        with database.connect() as tx:
            office = Office(tx, date(2026, 6, 20))
            tally = importing.import_events(tx, stream_entries(bodies), run_context(office.now))
            office.run_sweeps()
            try:
                missing = [body for body in bodies if not is_recorded_or_kept(tx, body)]
            except EventError as error:
                pytest.fail(f"unreadable and not kept: {error}")
            assert missing == []
            assert tally.evaluated + tally.noted == len(bodies)
            tx.rollback()

    check()
