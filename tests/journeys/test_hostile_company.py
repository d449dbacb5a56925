"""A company that publishes any events with the ids of another company changes nothing of that company."""

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from payments.contract.event import Event
from payments.core.month import Month
from payments.core.scope import Scope
from payments.journeys import balancing, closing, distributing, reporting
from payments.journeys.balancing import BalanceFilter
from payments.journeys.reporting import ExceptionFilter, FeedFilter, LogFilter
from payments.store.db.connection import Database, Transaction
from payments.store.tables import metadata
from tests.builders.events import (
    deleted_payment,
    event_body,
    event_fields,
    next_version,
    paid,
    payment_fields,
    saved_charge,
    saved_payment,
)
from tests.builders.office import Office
from tests.examples import example_count

EXAMPLES = example_count(8)
FIRST = saved_payment(payment_id="a", **paid("25.00", "2020-04-08"))
SECOND = saved_payment(payment_id="b", **paid("30.00", "2020-06-05"))
CHANGED = next_version(FIRST, amount_due="35.00", amount_paid="35.00")
CHARGE = saved_charge("visit", "10.00", date_of_service="2020-06-05")
LATER = [
    next_version(SECOND, amount_due="31.00", amount_paid="31.00"),
    saved_payment(payment_id="new", **paid("7.00", "2020-06-08")),
    saved_charge("visit", "12.00", date_of_service="2020-06-05", version=2),
]
OF_OFFICE: list[Event | bytes] = [
    SECOND,
    CHARGE,
    CHANGED,
    saved_payment(payment_id="b", **paid("99.00", "2020-06-05")),  # a conflict
    saved_payment(payment_id="held", patient_id="stranger", **paid("3.00", "2020-06-07")),
    event_body(payment_fields(payment_id="wrong", method="wrong", version=3)),
    deleted_payment(payment_id="gone"),
]
EVENT_IDS = [str(each.event_id) for each in (FIRST, SECOND, CHANGED, CHARGE, *LATER)]
TABLES = [
    table.name
    for table in metadata.sorted_tables
    if "company_id" in table.columns and table.name not in {"account_marks", "events"}
]


def create_busy_office(tx: Transaction) -> Office:
    """Return an office with a closed April, and with exceptions, a held payment and dead letters."""
    office = Office(tx, date(2020, 4, 30))
    office.publish(FIRST)
    office.set_today(date(2020, 6, 10))
    office.close_months("2020-04")
    office.publish(*OF_OFFICE)
    office.distribute_all()
    return office


def everything_of(office: Office) -> dict[str, Any]:
    """Return all rows and reports of the office's company."""
    tx, company = office.tx, office.company_id
    scope = Scope.of_companies(company)
    rows = {
        name: sorted(map(repr, tx.execute(text(f"SELECT * FROM {name} WHERE company_id = :id"), {"id": company})))
        for name in TABLES
    }
    accounts = distributing.show_account(tx, "patient", scope)
    balance = balancing.balance(tx, BalanceFilter(scope=scope))
    return rows | {
        "balance": (balance.emr_total, balance.billing_total, balance.items, list(balance.lines)),
        "feed": list(reporting.claims_feed(tx, FeedFilter(scope=scope))),
        "exceptions": list(reporting.exceptions(tx, ExceptionFilter(status=None, scope=scope))),
        "log": list(reporting.payment_log(tx, LogFilter(scope=scope))),
        "account": [(row, list(distributing.show_allocations(tx, row, scope))) for row in accounts],
        "months": closing.list_months(tx, company),
        "warnings": [closing.close_warnings(tx, company, Month.parse(month)) for month in ("2020-04", "2020-06")],
        "timelines": [
            list(reporting.timeline(tx, f"clinic/{payment}/1", scope)) for payment in ("a", "b", "held", "gone")
        ],
    }


def hostile_events() -> st.SearchStrategy[bytes]:
    """Return events of another company, or of no readable one, with the office's ids."""
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
    """Requeue the dead letters that were not known before."""
    refused = (row.refused for row in reporting.claims_feed(office.tx, FeedFilter()))
    office.requeue(key for key in refused if key and key not in known)


@pytest.fixture
def reopen(database: Database) -> Iterator[Callable[[], Office]]:
    """Return a function that returns an office on an empty ledger."""
    with database.connect() as tx:

        def reopened() -> Office:
            tx.rollback()
            return create_busy_office(tx)

        yield reopened
        tx.rollback()


@settings(max_examples=EXAMPLES)
@given(chunks=st.lists(st.lists(hostile_events(), min_size=1, max_size=8), min_size=1, max_size=3))
def check_hostile_events(chunks: list[list[bytes]], reopen: Callable[[], Office]) -> None:
    office = reopen()
    office.publish(*LATER)
    undisturbed = everything_of(office)["log"]
    office = reopen()
    before = everything_of(office)
    known = {row.refused for row in reporting.claims_feed(office.tx, FeedFilter())}

    for chunk in chunks:
        office.publish(*chunk)
    requeue_all_refused(office, known)
    office.distribute_all()

    assert {name for name, rows in everything_of(office).items() if rows != before[name]} == set()

    office.publish(*LATER)
    assert everything_of(office)["log"] == undisturbed


@pytest.mark.slow
def test_hostile_events_change_nothing_of_another_company(reopen: Callable[[], Office]) -> None:
    check_hostile_events(reopen=reopen)
