"""Oversized events and events with a missing or wrong signature are rejected."""

import hashlib
import json

import pytest
from sqlalchemy import text

from payments.contract.signature import Keyring, signature_of
from payments.contract.size_limit import EVENT_BYTES_MAX, KEPT_BYTES
from payments.contract.stream_entry import StreamEntry
from payments.core.due_selection import DueSelection
from payments.core.import_stats import RunContext
from payments.journeys import importing, reporting, retrying
from payments.journeys.reporting import FeedFilter
from payments.journeys.requeueing import requeue
from tests.builders.events import BACKOFF, NOW, event_body, fixed_stopwatch, payment_fields, run_context, saved_payment
from tests.builders.ledger import (
    PAYMENT_KEY,
    add_earlier_clinic_key,
    create_clinic,
    feed_rows,
    import_chunk,
    ledger_entries,
    transmission_of,
)

SECRET, NEXT = b"s" * 32, b"t" * 32
IMPORTED_TRANSMISSION = ("Transmission Successful", None, "imported")
KEYRING = Keyring({"company": {"2026-10": SECRET}})


def payment_of_size(byte_count, **changes):
    """Return a payment of this size in bytes, padded with an unknown field."""
    short = event_body(payment_fields(**changes, more=""))
    return short[:-2] + b"x" * (byte_count - len(short)) + b'"}'


def dead_letter(tx):
    return tx.execute(text("SELECT * FROM set_aside")).mappings().one()


def unattributed_rows(tx):
    """Return the rows of the Claims Feed that have no clinic, as a user of all companies sees them."""
    return [row for row in reporting.claims_feed(tx, FeedFilter()) if not row.clinic]


def import_signed(tx, event, signature, keyring=KEYRING):
    arrived = [StreamEntry("1-1", event if isinstance(event, bytes) else event_body(event), signature)]
    return importing.import_events(tx, arrived, verifying_context(keyring))


def verifying_context(keyring):
    return RunContext(NOW, "tests-1", BACKOFF, fixed_stopwatch(), keyring=keyring)


def test_event_of_the_maximum_size_is_accepted(tx):
    create_clinic(tx)

    import_chunk(tx, payment_of_size(EVENT_BYTES_MAX))

    assert transmission_of(tx) == IMPORTED_TRANSMISSION


def test_oversized_event_is_rejected_and_kept_by_hash_and_prefix(tx):
    create_clinic(tx)
    large = payment_of_size(EVENT_BYTES_MAX + 1)

    import_chunk(tx, large, saved_payment("9.00", payment_id="beside"))

    assert transmission_of(tx) == ("Validation Failed", "invalid_event", "none")
    assert feed_rows(tx)[PAYMENT_KEY].detail == (
        "event: 65,537 bytes; expected at most 65,536. Kept are the first 4,096 and the SHA-256 "
        + hashlib.sha256(large).hexdigest()
    )
    row = dead_letter(tx)
    assert (bytes(row["body"]), row["whole_bytes"]) == (large[:KEPT_BYTES], len(large))
    assert bytes(row["body_hash"]) == hashlib.sha256(large).digest()
    assert transmission_of(tx, "clinic/beside/1") == IMPORTED_TRANSMISSION


def test_repeated_oversized_event_is_kept_once_and_rejected_when_requeued(tx):
    create_clinic(tx)
    large = payment_of_size(1_000_000)
    import_chunk(tx, large)
    import_chunk(tx, large)
    before = dead_letter(tx)

    requeue(tx, [PAYMENT_KEY], NOW, "user:support")
    importing.retry_dead_letters(tx, run_context(), DueSelection(500))

    after = dead_letter(tx)
    assert (before["attempts"], after["attempts"]) == (2, 3)
    same = ("id", "body", "body_hash", "whole_bytes", "reason", "error", "clinic_id", "version", "amount_paid")
    assert [name for name in same if before[name] != after[name]] == []
    assert after["due_at"] is None
    assert ledger_entries(tx) == []


@pytest.mark.parametrize(
    ("large", "seen"),
    [
        (payment_of_size(100_000, version=123_456), ("clinic", 123_456)),
        (b'{"memo": "' + b"m" * 100_000 + b'", ' + event_body(payment_fields())[1:], (None, None)),
        (b"[" * 100_000, (None, None)),
        (event_body(payment_fields())[:-1] + b', "more": [' + b"{}," * 30_000 + b"{}]}", ("clinic", 1)),
        (b'{"clinic_id": "clinic", "payment_id": "p", "line_id": "1", "version": ' + b"1" * 70_000, ("clinic", None)),
    ],
    ids=["long text", "long text first", "deep", "many parts", "long number"],
)
def test_oversized_event_is_identified_by_its_prefix(tx, large, seen):
    import_chunk(tx, large)

    row = dead_letter(tx)
    assert (row["clinic_id"], row["version"]) == seen


def test_exhausted_oversized_event_records_its_full_size(tx):
    large = payment_of_size(200_000)

    retrying.dead_letter(tx, [StreamEntry("1-1", large)], run_context())

    assert (dead_letter(tx)["reason"], dead_letter(tx)["whole_bytes"]) == ("retries_exhausted", 200_000)


def test_signed_event_is_imported(tx):
    create_clinic(tx)
    event = event_body(saved_payment())

    import_signed(tx, event, signature_of(event, "2026-10", SECRET))

    assert transmission_of(tx) == IMPORTED_TRANSMISSION


@pytest.mark.parametrize(
    ("signature", "detail"),
    [
        (None, "signature: missing; company company signs its events"),
        ("2026-10:00", "signature: does not fit the event and the key 2026-10 of company company"),
        ("2020-01:00", "signature: company company has no such key"),
    ],
)
def test_event_with_a_wrong_signature_is_rejected_without_other_effects(tx, signature, detail):
    create_clinic(tx)
    event = event_body(saved_payment())

    import_signed(tx, event, signature)

    assert feed_rows(tx) == {}
    (row,) = unattributed_rows(tx)
    assert (row.status, row.reason, row.detail) == ("Validation Failed", "invalid_event", detail)
    assert bytes(dead_letter(tx)["body"]) == event
    assert ledger_entries(tx) == []
    import_signed(tx, event, signature_of(event, "2026-10", SECRET))
    assert transmission_of(tx) == IMPORTED_TRANSMISSION
    assert len(ledger_entries(tx)) == 1


def test_requeue_rejects_unsigned_events(tx):
    create_clinic(tx)
    import_signed(tx, saved_payment(), None)

    requeue(tx, [unattributed_rows(tx)[0].refused], NOW, "user:support")
    importing.retry_dead_letters(tx, verifying_context(KEYRING), DueSelection(500))

    assert [(row.status, row.attempts) for row in unattributed_rows(tx)] == [("Validation Failed", 2)]
    assert ledger_entries(tx) == []


def test_event_published_before_its_key_is_imported_when_requeued(tx):
    create_clinic(tx)
    event = event_body(saved_payment())
    import_signed(tx, event, signature_of(event, "2027-01", NEXT))

    requeue(tx, [unattributed_rows(tx)[0].refused], NOW, "user:support")
    both = Keyring({"company": {"2026-10": SECRET, "2027-01": NEXT}})
    importing.retry_dead_letters(tx, verifying_context(both), DueSelection(500))

    assert transmission_of(tx) == IMPORTED_TRANSMISSION
    assert unattributed_rows(tx) == []


def test_company_cannot_publish_for_the_clinic_of_another(tx):
    add_earlier_clinic_key(tx)
    create_clinic(tx)
    keyring = Keyring({"company": {"k": SECRET}, "other": {"k": NEXT}}, is_required=True)
    event = event_body(payment_fields(company_id="other"))

    import_signed(tx, event, signature_of(event, "k", NEXT), keyring)

    (row,) = reporting.claims_feed(tx, FeedFilter(status="Validation Failed"))
    assert row.detail == "company_id: clinic clinic belongs to another company"


@pytest.mark.parametrize("kind", ["patient.saved", "charge.saved", "payment.deleted"])
def test_every_event_type_is_checked(tx, kind):
    content = payment_fields(
        type=kind, charge_id="c", patient_balance="5.00", insurance_open=False, patient_id="stranger"
    )

    stats = import_signed(tx, json.dumps(content).encode(), None)

    assert (stats.refused, stats.noted, stats.evaluated) == (1, 0, 1)
    assert tx.execute(text("SELECT count(*) FROM patients WHERE known_at IS NOT NULL")).scalar() == 0
