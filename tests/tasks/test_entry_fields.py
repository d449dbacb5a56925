"""A stream entry with exactly one event is imported. Any other entry becomes a dead letter with its whole content."""

import json

import pytest
from sqlalchemy import text

from payments.core.scope import Scope
from payments.journeys import reporting
from payments.journeys.reporting import FeedFilter
from payments.journeys.requeueing import requeue
from payments.store.db.connection import transaction
from tasks.feed import import_attempt, retry_attempt
from tests.builders.events import NOW, event_body, payment_fields, saved_patient, saved_payment
from tests.tasks.dispatching import pending_and_length

pytestmark = pytest.mark.slow

TRACE_PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FLATTENED_FIELD_NAMES = ", ".join(payment_fields())


@pytest.fixture
def event_bodies(clinic_id):
    """Return the bodies of two payments of a known patient."""
    ids = {"clinic_id": clinic_id, "patient_id": clinic_id}
    return [event_body(saved_payment(payment_id=each, **ids)) for each in ("1", "2")]


def add_entry(resources, *fields):
    """Add an entry with these names and values of fields, and return the entry's id. Names may repeat."""
    return resources.feed.execute_command("XADD", resources.settings.stream, "*", *fields).decode()


def import_new(resources, clinic_id):
    resources.feed.xadd(resources.settings.stream, {"event": event_body(saved_patient(clinic_id))})
    return import_attempt.import_new(resources, "no-reply")


def dead_letter(resources, entry_id):
    with transaction(resources.database) as tx:
        found = tx.execute(text("SELECT * FROM set_aside WHERE entry_id = :id"), {"id": entry_id})
        return found.mappings().one()


def imported_payment_ids(resources, clinic_id):
    with transaction(resources.database) as tx:
        rows = list(reporting.claims_feed(tx, FeedFilter(scope=Scope.of_clinics(clinic_id))))
    return sorted(row.payment.split("/")[1] for row in rows if row.status == "Transmission Successful")


MALFORMED_ENTRIES = [
    ("event twice", "event {0} event {1}", "event: `event` occurs twice in the entry"),
    ("event three times", "event {0} event {1} event {0}", "event: `event` occurs 3 times in the entry"),
    ("same event twice", "event {0} event {0}", "event: `event` occurs twice in the entry"),
    ("event twice among others", "a 1 event {0} b 2 event {1}", "event: `event` occurs twice in the entry"),
    ("signature twice", "event {0} signature x signature x", "signature: `signature` occurs twice in the entry"),
    ("other field", "payload {0}", "event: no field `event` in the entry; it has payload"),
    ("other field twice", "payload {0} payload {1}", "event: no field `event` in the entry; it has payload"),
    ("other case", "Event {0}", "event: no field `event` in the entry; it has Event"),
    ("empty name", " {0}", "event: no field `event` in the entry; it has ''"),
]


@pytest.mark.parametrize("redelivered", [False, True])
@pytest.mark.parametrize("case", MALFORMED_ENTRIES, ids=[row[0] for row in MALFORMED_ENTRIES])
def test_entry_without_exactly_one_event_is_kept_whole(resources, clinic_id, event_bodies, case, redelivered):
    _, words, error = case
    fields = [word.format(*(each.decode() for each in event_bodies)) for word in words.split(" ")]
    entry_id = add_entry(resources, *fields)
    if redelivered:
        resources.streams.read_new([resources.settings.stream], 1, "no-reply")
        stats = import_attempt.import_entries(resources, [entry_id])
    else:
        stats = import_new(resources, clinic_id)

    assert (stats.refused, stats.imported, imported_payment_ids(resources, clinic_id)) == (1, 0, [])
    row = dead_letter(resources, entry_id)
    assert (row["status"], row["reason"], row["error"]) == ("Validation Failed", "invalid_event", error)
    kept = json.loads(row["body"])["stream_entry"]
    assert [part for field in kept for part in field] == fields
    assert pending_and_length(resources) == (0, 0)


@pytest.mark.parametrize(
    "more", [(), ("a", "1"), ("a", "1", "a", "2"), ("traceparent", TRACE_PARENT, "traceparent", TRACE_PARENT), ("", "")]
)
def test_one_event_beside_other_fields_is_imported(resources, clinic_id, event_bodies, more):
    add_entry(resources, *more, "event", event_bodies[0], *more)

    import_new(resources, clinic_id)

    assert imported_payment_ids(resources, clinic_id) == ["1"]
    assert pending_and_length(resources) == (0, 0)


def test_fields_that_are_not_utf8_are_kept_and_shown(resources):
    entry_id = add_entry(resources, b"evnt\xff", b"\xff\x00{}")

    assert import_attempt.import_new(resources, "no-reply").refused == 1

    row = dead_letter(resources, entry_id)
    assert row["error"] == r"event: no field `event` in the entry; it has 'evnt\udcff'"
    ((name, value),) = json.loads(row["body"])["stream_entry"]
    assert (name.encode(errors="surrogateescape"), value.encode(errors="surrogateescape")) == (
        b"evnt\xff",
        b"\xff\x00{}",
    )


def test_flattened_event_names_its_fields_and_its_payment(resources, clinic_id):
    content = payment_fields(clinic_id=clinic_id, payment_id="flat", version=3)
    words = [part for key, value in content.items() for part in (key, str(value))]
    entry_id = add_entry(resources, *words)

    import_attempt.import_new(resources, "no-reply")

    row = dead_letter(resources, entry_id)
    assert row["error"] == f"event: no field `event` in the entry; it has {FLATTENED_FIELD_NAMES}"
    assert (row["clinic_id"], row["payment_id"], row["line_id"], row["version"]) == (clinic_id, "flat", "1", 3)


def test_many_and_long_field_names_are_listed_in_part(resources):
    entry_id = add_entry(resources, *(part for number in range(1_000) for part in (f"{number}-{'n' * 200}", "")))

    import_attempt.import_new(resources, "no-reply")

    error = dead_letter(resources, entry_id)["error"]
    assert error.endswith(" and 980 more")
    assert len(error) < 1_000


def test_two_large_events_in_one_entry_are_kept_whole(resources, event_bodies):
    large = [each[:-1] + b', "more": "' + b"x" * 50_000 + b'"}' for each in event_bodies]
    entry_id = add_entry(resources, "event", large[0], "event", large[1])

    import_attempt.import_new(resources, "no-reply")

    kept = json.loads(dead_letter(resources, entry_id)["body"])["stream_entry"]
    assert [value.encode() for _, value in kept] == large


def test_malformed_entry_is_refused_with_the_same_error_when_it_is_requeued(resources, event_bodies):
    entry_id = add_entry(resources, "event", event_bodies[0], "event", event_bodies[1])
    import_attempt.import_new(resources, "no-reply")
    before = dead_letter(resources, entry_id)

    with transaction(resources.database) as tx:
        assert requeue(tx, [f"refused:{before['id']}"], NOW, "user:support").count == 1
    assert retry_attempt.retry_due(resources, 500)[0].refused == 1

    after = dead_letter(resources, entry_id)
    assert (after["error"], after["body"], after["attempts"]) == (before["error"], before["body"], 2)
