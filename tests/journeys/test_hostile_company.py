"""A hostile company publishes events with the ids of another company. No data of the other company changes."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payments.journeys import importing, reporting
from payments.journeys.reporting import FeedFilter
from payments.store.db.connection import Database
from tests.builders.events import event_body, event_fields, payment_fields, run_context, stream_entries
from tests.builders.office import Office
from tests.examples import example_count
from tests.journeys.busy_office import EVENT_IDS, continue_work, create_busy_office, reports_of, rows_of

EXAMPLES = example_count(8)


def hostile_event(event_type: str = "payment.saved", **fields: Any) -> bytes:
    """Return an event of the company `hostile` that names the clinic and the patient of the office."""
    own = {"company_id": "hostile"} | fields
    return event_body(payment_fields(**own) if event_type == "payment.saved" else event_fields(event_type, **own))


def hostile_payment(payment_id: str, amount: str = "99.00", **fields: Any) -> bytes:
    amounts = {"amount_due": amount, "amount_paid": amount, "transaction_date": "2020-06-05"}
    return hostile_event(payment_id=payment_id, **amounts | fields)


HOSTILE_CHUNKS = {
    "the key of a line": [[hostile_payment("a", version=9)], [hostile_payment("new"), hostile_payment("held")]],
    "a version conflict on the key of a line": [[hostile_payment("b", "25.00"), hostile_payment("b")]],
    "another conflict on it later": [[hostile_payment("b", "25.00")], [hostile_payment("b")]],
    "an invalid event of a line": [[hostile_payment("a", version=9, method="wrong"), hostile_payment("wrong")]],
    "an invalid event of an unknown clinic and patient": [
        [hostile_payment("c", clinic_id="c2", patient_id="p2", transaction_date="2020-07-01", method="wrong")]
    ],
    "a deletion": [
        [hostile_event("payment.deleted", payment_id="b", version=9)],
        [hostile_event("payment.deleted", payment_id="new", version=9)],
    ],
    "the ids of the office's events": [[hostile_payment("c", event_id=each) for each in EVENT_IDS]],
    "the patient for whom a payment is held": [[hostile_event("patient.saved", patient_id="stranger", name="Eve")]],
    "the name of a patient": [[hostile_event("patient.saved", name="Eve", version=9)]],
    "money and charges of a patient": [
        [hostile_payment("c"), hostile_event("patient.saved")],
        [
            hostile_event(
                "charge.saved",
                charge_id="visit",
                patient_balance="99.00",
                date_of_service="2020-06-05",
                insurance_open=False,
                version=9,
            )
        ],
    ],
    "a closed month and one without a row": [
        [hostile_payment("c", transaction_date="2020-04-08"), hostile_payment("d", transaction_date="2020-07-01")]
    ],
}
"""Chunks of events of the hostile company, by a description of the attack on the office's data."""


def hostile_events() -> st.SearchStrategy[bytes]:
    """Return events that use ids of the office. The company of an event is `hostile`, or cannot be read."""
    common = {
        "company_id": st.sampled_from(["hostile"] * 6 + [..., 7, "company "]),
        "clinic_id": st.sampled_from(["clinic", "clinic", "clinic", "own", "clinic/a"]),
        "patient_id": st.sampled_from(["patient", "stranger", "hostile"]),
        "event_id": st.sampled_from(EVENT_IDS) | st.uuids().map(str),
        "version": st.integers(1, 4),
    }
    line = {
        "payment_id": st.sampled_from(["a", "b", "held", "gone", "wrong", "new"]),
        "amount_paid": st.sampled_from(["25.00", "99.00", "-5.00", "wrong"]),
        "amount_due": st.sampled_from(["25.00", "99.00", "0.00"]),
        "method": st.sampled_from(["Cash", "wrong"]),
        "transaction_date": st.sampled_from(["2020-04-08", "2020-06-05", "2020-07-01"]),
        "saved_at": st.sampled_from(["2020-06-05T10:00:00Z", "2030-01-01T10:00:00Z"]),
    }
    charge = {"charge_id": st.just("visit"), "patient_balance": st.sampled_from(["0.00", "99.00"])}
    saves = st.fixed_dictionaries(common | line).map(lambda drawn: payment_fields(**drawn))
    deletes = st.fixed_dictionaries(common).map(
        lambda drawn: event_fields("payment.deleted", payment_id="b", line_id="1", **drawn)
    )
    charges = st.fixed_dictionaries(common | charge).map(
        lambda drawn: event_fields("charge.saved", date_of_service="2020-06-05", insurance_open=False, **drawn)
    )
    patients = st.fixed_dictionaries(common).map(
        lambda drawn: event_fields(
            "patient.saved", name="Eve", **{name: value for name, value in drawn.items() if name != "clinic_id"}
        )
    )
    drawn = saves | saves | deletes | charges | patients
    return drawn.map(lambda fields: event_body({name: value for name, value in fields.items() if value is not ...}))


def requeue_all_refused(office: Office, known: set[str | None]) -> None:
    """Requeue the dead letters that are not in `known`."""
    refused = (row.refused for row in reporting.claims_feed(office.tx, FeedFilter()))
    office.requeue(key for key in refused if key and key not in known)


@pytest.fixture(scope="module")
def open_office_after(database: Database) -> Iterator[Callable[..., Office]]:
    """Return a function that opens an office on a ledger which contains only the given earlier events.

    The hostile company exists from the beginning, so the office's company is never the only one. A company that is
    the only one also sees the events whose company cannot be read.
    """
    with database.connect() as tx:

        def open_office(*earlier: bytes) -> Office:
            tx.rollback()
            importing.import_events(tx, stream_entries([hostile_event(clinic_id="hostile"), *earlier]), run_context())
            return create_busy_office(tx)

        yield open_office
        tx.rollback()


@pytest.fixture(scope="module")
def undisturbed_view(open_office_after: Callable[..., Office]) -> dict[str, Any]:
    """The reports of the office's company after its later work, if no other company publishes anything."""
    return continue_work(open_office_after())


def changed_parts(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    assert before.keys() == after.keys()
    return {name for name, rows in after.items() if rows != before[name]}


def check_company_is_unchanged(
    chunks: list[list[bytes]], open_office_after: Callable[..., Office], undisturbed_view: dict[str, Any]
) -> None:
    """Check that `chunks` change no data of the office's company, neither now nor after the office's later work."""
    office = open_office_after()
    before = rows_of(office) | reports_of(office)
    known = {row.refused for row in reporting.claims_feed(office.tx, FeedFilter())}

    for chunk in chunks:
        office.publish(*chunk)
    requeue_all_refused(office, known)
    office.distribute_all()

    assert changed_parts(before, rows_of(office) | reports_of(office)) == set()
    assert changed_parts(undisturbed_view, continue_work(office)) == set()


@settings(max_examples=EXAMPLES)
@given(chunks=st.lists(st.lists(hostile_events(), min_size=1, max_size=8), min_size=1, max_size=3))
def check_random_events(
    chunks: list[list[bytes]], open_office_after: Callable[..., Office], undisturbed_view: dict[str, Any]
) -> None:
    check_company_is_unchanged(chunks, open_office_after, undisturbed_view)


@pytest.mark.slow
@pytest.mark.parametrize("chunks", HOSTILE_CHUNKS.values(), ids=HOSTILE_CHUNKS)
def test_hostile_event_that_shares_ids_changes_nothing_of_another_company(
    chunks: list[list[bytes]], open_office_after: Callable[..., Office], undisturbed_view: dict[str, Any]
) -> None:
    check_company_is_unchanged(chunks, open_office_after, undisturbed_view)


@pytest.mark.slow
def test_earlier_hostile_events_change_nothing_of_an_office_that_starts_later(
    open_office_after: Callable[..., Office], undisturbed_view: dict[str, Any]
) -> None:
    office = open_office_after(*(event for chunks in HOSTILE_CHUNKS.values() for chunk in chunks for event in chunk))

    assert changed_parts(undisturbed_view, continue_work(office)) == set()


@pytest.mark.slow
def test_random_hostile_events_change_nothing_of_another_company(
    open_office_after: Callable[..., Office], undisturbed_view: dict[str, Any]
) -> None:
    check_random_events(open_office_after=open_office_after, undisturbed_view=undisturbed_view)
