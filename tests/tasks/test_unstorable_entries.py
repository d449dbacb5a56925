"""An entry that a parser or the database rejects is kept whole, and is not retried forever."""

import json

import pytest
from sqlalchemy import text

from payments.journeys.requeueing import requeue
from payments.store.db.connection import transaction
from tasks.feed import import_attempt, retry_attempt
from tests.builders.events import NOW, event_body, payment_fields, saved_payment
from tests.tasks.dispatching import pending_and_length
from tests.tasks.test_import_attempt import REFUSAL_MESSAGE

pytestmark = pytest.mark.slow

LONG_NUMBER = "1" * 5_000
UNSTORABLE_EVENTS = {
    "U+0000 in an id": payment_fields(payment_id="p\0"),
    "U+0000 in a memo": payment_fields(memo="\0"),
    "U+0000 in a patient's name": payment_fields(type="patient.saved", name="\0"),
    "U+0000 in the charge type": payment_fields(charge_type="\0"),
    "U+0000 in an unknown key": payment_fields(**{"\0": 1, "version": 0}),
    "lone surrogate in an id": payment_fields(payment_id="\ud800"),
    "lone surrogate in an unknown key": payment_fields(**{"\udcff": 1}),
    "long id": payment_fields(payment_id="p" * 1_000_000),
    "long whole number": event_body(payment_fields(version=7)).replace(
        b'"version": 7', b'"version": ' + LONG_NUMBER.encode()
    ),
    "large exponent": event_body(payment_fields(version=7)).replace(b'"version": 7', b'"version": 1e999999999'),
    "large exponent in an amount": payment_fields(amount_paid="1e999999999"),
    "large exponent as an amount": event_body(payment_fields()).replace(b'"25.00"', b"1E+999999999"),
    "NaN": event_body(payment_fields(version=7)).replace(b'"version": 7', b'"version": NaN'),
    "deep": b'{"x":' * 100_000,
    "deep and complete": b'{"x":' * 30_000 + b"1" + b"}" * 30_000,
    "deep in an event": event_body(payment_fields())[:-1] + b', "x": ' + b"[" * 500 + b"]" * 500 + b"}",
    "not UTF-8": b'{"memo": "\xff"}',
    "UTF-16": json.dumps(payment_fields()).encode("utf-16"),
    "empty": b"",
    "day 0": payment_fields(transaction_date="2026-06-00"),
}


def publish(resources, body):
    return resources.feed.xadd(resources.settings.stream, {"event": body}).decode()


def dead_letter(resources, entry_id):
    with transaction(resources.database) as tx:
        found = tx.execute(text("SELECT * FROM set_aside WHERE entry_id = :id"), {"id": entry_id})
        return found.mappings().one()


@pytest.mark.parametrize("content", UNSTORABLE_EVENTS.values(), ids=UNSTORABLE_EVENTS)
def test_malformed_event_is_dead_lettered_at_the_first_attempt(resources, content):
    body = content if isinstance(content, bytes) else event_body(content)
    entry_id = publish(resources, body)

    stats = import_attempt.import_new(resources, "no-reply")

    assert (stats.refused, stats.failed, pending_and_length(resources)) == (1, 0, (0, 0))
    row = dead_letter(resources, entry_id)
    assert bytes(row["body"]) == body[: len(row["body"])]
    assert len(row["body"]) == (4_096 if row["whole_bytes"] else len(body))
    assert row["error"].isprintable()


@pytest.fixture
def unstorable_entry_id(resources, clinic_id):
    """Publish a payment that cannot be stored, try to import the payment, and return the id of the stream entry."""
    event = saved_payment(payment_id="poison", patient_id=f"poison-{clinic_id}", clinic_id=clinic_id)
    entry_id = publish(resources, event_body(event))
    assert import_attempt.import_new(resources, "no-reply").failed == 1
    return entry_id


def test_entry_that_cannot_be_stored_with_its_fields_is_kept_without_them(resources, unstorable_entry_id, clinic_id):
    exhausted = publish(resources, event_body(saved_payment(payment_id="poison", clinic_id=clinic_id)))
    assert import_attempt.import_new(resources, "no-reply").failed == 1

    stats = import_attempt.dead_letter(resources, [exhausted, unstorable_entry_id])

    assert (stats.refused, pending_and_length(resources)) == (2, (0, 0))
    row = dead_letter(resources, unstorable_entry_id)
    assert (row["status"], row["reason"]) == ("Not Sent", "retries_exhausted")
    assert (row["clinic_id"], row["patient_id"], row["version"]) == (None, None, None)
    assert row["error"].endswith(REFUSAL_MESSAGE)
    assert json.loads(row["body"])["clinic_id"] == clinic_id
    assert dead_letter(resources, exhausted)["clinic_id"] == clinic_id


def test_requeued_unstorable_entry_does_not_stop_other_entries(resources, unstorable_entry_id, clinic_id):
    beside = publish(resources, b"{no event of " + clinic_id.encode())
    import_attempt.dead_letter(resources, [unstorable_entry_id])
    import_attempt.import_new(resources, "no-reply")
    with transaction(resources.database) as tx:
        keys = [f"refused:{dead_letter(resources, each)['id']}" for each in (unstorable_entry_id, beside)]
        assert requeue(tx, keys, NOW, "user:support").count == 2

    stats, has_more = retry_attempt.retry_due(resources, 500)

    assert (stats.refused, has_more) == (2, False)
    found = [dead_letter(resources, each) for each in (unstorable_entry_id, beside)]
    assert [(row["reason"], row["attempts"], row["due_at"]) for row in found] == [
        ("retries_exhausted", 2, None),
        ("invalid_event", 2, None),
    ]
