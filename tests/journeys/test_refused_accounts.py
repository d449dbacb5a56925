"""Rejected events of patients and charges are shown until the EMR saves the patient or charge again."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from payments.core.sorting import Window
from payments.journeys.reporting import FeedFilter
from payments.journeys.requeueing import requeue
from payments.store.db.connection import ConcurrentWriteError, Transaction, transaction
from payments.store.feed import requeue_candidates
from payments.store.reports import claims_feed, dashboard
from tests.builders.events import NOW, event_body, event_fields, payment_fields
from tests.builders.ledger import create_clinic, import_chunk, retry_due
from tests.journeys.test_concurrent_workers import wait_until_blocked

pytestmark = pytest.mark.slow

TEN, ELEVEN, TWELVE = (f"2026-06-05T{hour}:00:00+00:00" for hour in ("10", "11", "12"))


@dataclass(frozen=True)
class EventKind:
    """An event type. Its field `content` has two valid `values`. The changes in `invalid` make an event invalid."""

    event_type: str
    fields: dict[str, Any]
    content: str
    values: tuple[Any, Any]
    invalid: dict[str, Any]

    def body(self, version: Any, at: str = TEN, **changes: Any) -> bytes:
        named = {"patient_id": "ada", "version": version, "saved_at": at, self.content: self.values[0]}
        return event_body(event_fields(self.event_type, **self.fields | named | changes))

    def conflicting_body(self, version: Any, at: str = TEN) -> bytes:
        return self.body(version, at, **{self.content: self.values[1]})

    def invalid_body(self, version: Any, at: str = TEN) -> bytes:
        return self.body(version, at, **self.invalid)


CHARGE_FIELDS = {"clinic_id": "clinic", "charge_id": "c", "date_of_service": "2026-06-05", "insurance_open": False}
EVENT_KINDS = [
    EventKind("patient.saved", {}, "name", ("Ada", "Adam"), {"name": "n" * 201}),
    EventKind("charge.saved", CHARGE_FIELDS, "patient_balance", ("40.00", "15.00"), {"patient_balance": "40"}),
]
each_kind = pytest.mark.parametrize("kind", EVENT_KINDS, ids=[kind.event_type for kind in EVENT_KINDS])


def shown_reasons(tx: Transaction) -> list[str | None]:
    """Return the reasons of the rejected events. Check that every report shows the same reasons."""
    rows = list(claims_feed.stream(tx, FeedFilter()))
    pages = [each.row for each in claims_feed.read_page(tx, FeedFilter(), Window(100))]
    counted = sum(each.count for each in dashboard.unsuccessful_by_company(tx))
    assert (sorted(pages, key=repr), counted) == (sorted(rows, key=repr), len(rows))
    assert requeue_candidates.count(tx, FeedFilter()) == len(rows)
    return [row.reason for row in rows]


RESOLVING_EVENTS = [
    ("corrected version", lambda kind: [kind.invalid_body(1), kind.body(1)]),
    ("newer version", lambda kind: [kind.invalid_body(1), kind.body(2)]),
    ("refused twice, then saved", lambda kind: [kind.invalid_body(1), kind.invalid_body(2), kind.body(2)]),
    ("version that cannot be read, saved again", lambda kind: [kind.invalid_body("x"), kind.body(1, TEN)]),
    ("version that cannot be read, saved later", lambda kind: [kind.invalid_body("x"), kind.body(1, ELEVEN)]),
    ("conflict, then a newer version", lambda kind: [kind.body(1), kind.conflicting_body(1), kind.body(2)]),
]
SHOWN_EVENTS = [
    ("refused", lambda kind: [kind.invalid_body(1)], ["invalid_event"]),
    ("newer than what is held", lambda kind: [kind.body(1), kind.invalid_body(2)], ["invalid_event"]),
    ("saved later than what is held", lambda kind: [kind.body(1), kind.invalid_body("x", ELEVEN)], ["invalid_event"]),
    ("another", lambda kind: [kind.invalid_body(1), kind.body(1, patient_id="bob", charge_id="d")], ["invalid_event"]),
    ("conflict", lambda kind: [kind.body(1), kind.conflicting_body(1)], ["version_conflict"]),
    (
        "conflict, stale version",
        lambda kind: [kind.body(2), kind.conflicting_body(2), kind.body(1)],
        ["version_conflict"],
    ),
    ("neither version nor time", lambda kind: [kind.invalid_body("x", "y"), kind.body(1)], ["invalid_event"]),
]


@each_kind
@pytest.mark.parametrize("bodies", [row[1] for row in RESOLVING_EVENTS], ids=[row[0] for row in RESOLVING_EVENTS])
def test_rejected_event_is_resolved_when_the_emr_saves_again(tx: Transaction, kind: EventKind, bodies: Any) -> None:
    create_clinic(tx)
    for body in bodies(kind):
        import_chunk(tx, body)

    assert shown_reasons(tx) == []


@each_kind
def test_correction_that_arrives_before_the_rejected_event_resolves_it(tx: Transaction, kind: EventKind) -> None:
    create_clinic(tx)
    import_chunk(tx, kind.body(2, TWELVE))

    import_chunk(tx, kind.invalid_body(1), kind.invalid_body("x", ELEVEN))

    assert shown_reasons(tx) == []


@each_kind
@pytest.mark.parametrize(("bodies", "reasons"), [row[1:] for row in SHOWN_EVENTS], ids=[row[0] for row in SHOWN_EVENTS])
def test_rejected_event_is_shown_until_the_emr_saves_again(
    tx: Transaction, kind: EventKind, bodies: Any, reasons: list[str]
) -> None:
    create_clinic(tx)
    for body in bodies(kind):
        import_chunk(tx, body)

    assert shown_reasons(tx) == reasons


@each_kind
@pytest.mark.parametrize("in_one_chunk", [True, False])
def test_conflict_keeps_the_first_content_and_names_the_version(
    tx: Transaction, kind: EventKind, in_one_chunk: bool
) -> None:
    create_clinic(tx)
    events = [kind.body(1), kind.body(2), kind.conflicting_body(2), kind.body(2)]

    for chunk in [events] if in_one_chunk else [[each] for each in events]:
        import_chunk(tx, *chunk)

    (row,) = claims_feed.stream(tx, FeedFilter())
    assert (row.payment, row.status, row.version, row.patient) == (None, "Validation Failed", 2, "ada")
    assert row.detail.startswith("version: 2 of ")
    assert row.detail.endswith(" was already received with different content")
    assert stored_version(tx, kind) == (2, kind.values[0])


def stored_version(tx: Transaction, kind: EventKind) -> tuple[int, str]:
    """Return the stored version and content of the patient or charge."""
    table = "patients" if kind.event_type == "patient.saved" else "charges"
    found = tx.execute(text(f"SELECT version, {kind.content}::text FROM {table} WHERE patient_id = 'ada'"))
    version, content = found.one()
    return version, content


@each_kind
def test_requeued_conflict_is_closed_once_a_newer_version_is_stored(tx: Transaction, kind: EventKind) -> None:
    create_clinic(tx)
    import_chunk(tx, kind.body(1), kind.conflicting_body(1))
    (row,) = claims_feed.stream(tx, FeedFilter())
    assert row.refused is not None
    requeue(tx, [row.refused], NOW, "user:support")
    assert (retry_due(tx).refused, shown_reasons(tx)) == (1, ["version_conflict"])

    import_chunk(tx, kind.body(2))
    requeue(tx, [row.refused], NOW, "user:support")

    assert (retry_due(tx).noted, shown_reasons(tx)) == (1, [])


@each_kind
def test_feed_of_an_earlier_moment_still_shows_the_rejected_event(tx: Transaction, kind: EventKind) -> None:
    create_clinic(tx)
    import_chunk(tx, kind.invalid_body(1), now=NOW)

    import_chunk(tx, kind.body(1), now=NOW + timedelta(hours=2))

    as_of = {hours: FeedFilter(as_of=NOW + timedelta(hours=hours)) for hours in (1, 3)}
    assert [len(list(claims_feed.stream(tx, as_of[hours]))) for hours in (1, 3)] == [1, 0]


@each_kind
def test_slower_of_two_workers_records_the_conflict(shared_database: Any, kind: EventKind) -> None:
    ids = {"patient_id": str(uuid4())} | ({"charge_id": str(uuid4())} if kind.fields else {})
    with transaction(shared_database) as tx:
        create_clinic(tx)
    with ThreadPoolExecutor(1) as threads, shared_database.connect() as slower, shared_database.connect() as onlooker:
        pid = slower.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with transaction(shared_database) as tx:
            import_chunk(tx, kind.body(1, **ids))
            other = kind.body(1, **ids, **{kind.content: kind.values[1]})
            late = threads.submit(import_chunk, slower, other)
            wait_until_blocked(onlooker, pid)
        try:
            stats = late.result()
        except ConcurrentWriteError:  # a worker repeats the transaction
            slower.rollback()
            stats = import_chunk(slower, other)

        assert (stats.refused, stats.noted) == (1, 0)
        slower.rollback()


def test_fields_that_an_event_type_does_not_have_do_not_identify_it(tx: Transaction) -> None:
    create_clinic(tx)
    import_chunk(tx, event_body(payment_fields(type="patient.saved", name=5, patient_id="ada")))
    import_chunk(tx, event_body(payment_fields(type="charge.saved", charge_id="c", patient_id="ada")))

    rows = list(claims_feed.stream(tx, FeedFilter()))
    assert [(row.payment, row.patient, row.amount) for row in rows] == [(None, "ada", None)] * 2
