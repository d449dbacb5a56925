"""`PAYMENTS_UNKNOWN_COMPANIES=refuse`: events of unknown companies and clinics are Not Sent, and add no other row."""

from typing import Any

import pytest
from sqlalchemy import text

from payments.core.due_selection import DueSelection
from payments.core.import_stats import ImportStats, RunContext
from payments.journeys import balancing, configuring, importing, reporting
from payments.journeys.balancing import BalanceFilter
from payments.journeys.configuring import CompanyUpdate
from payments.journeys.reporting import FeedFilter, FeedRow
from payments.journeys.requeueing import requeue
from payments.store.db.connection import Transaction
from tests.builders.events import (
    BACKOFF,
    COPAYS,
    NOW,
    deleted_payment,
    fixed_stopwatch,
    next_version,
    saved_charge,
    saved_patient,
    saved_payment,
    stream_entries,
)
from tests.builders.ledger import (
    SETTINGS_SINCE,
    create_clinic,
    ledger_entries,
    requeue_matching,
    set_clinic_settings,
    transmission_of,
)

CREATED_TABLES = "companies clinics patients company_months lines charges events account_marks findings".split()
REFUSING_CONTEXT = RunContext(NOW, "tests-1", BACKOFF, fixed_stopwatch(), creates_unknown=False)
EVENT_BUILDERS = [saved_payment, deleted_payment, saved_patient, lambda **more: saved_charge("c", "5.00", **more)]


def import_refusing(tx: Transaction, *events: Any) -> ImportStats:
    return importing.import_events(tx, stream_entries(events), REFUSING_CONTEXT)


def row_counts(tx: Transaction) -> dict[str, int]:
    return {name: tx.execute(text(f"SELECT count(*) FROM {name}")).scalar_one() for name in CREATED_TABLES}


def not_sent_rows(tx: Transaction) -> list[FeedRow]:
    return list(reporting.claims_feed(tx, FeedFilter(status="Not Sent")))


@pytest.mark.parametrize("event", [event() for event in EVENT_BUILDERS], ids=lambda event: event.type)
def test_event_of_an_unknown_company_is_not_sent_and_leaves_no_row(tx: Transaction, event: Any) -> None:
    before = row_counts(tx)

    stats = import_refusing(tx, event)

    assert (stats.refused, stats.evaluated) == (1, 1)
    assert [(row.status, row.reason, row.detail, row.application) for row in not_sent_rows(tx)] == [
        ("Not Sent", "unknown_company", "company_id: Billing has no company company", "none")
    ]
    assert row_counts(tx) == before


@pytest.mark.parametrize("kind", [EVENT_BUILDERS[0], EVENT_BUILDERS[1], EVENT_BUILDERS[3]])
def test_event_of_an_unknown_clinic_is_not_sent_and_leaves_no_row(tx: Transaction, kind: Any) -> None:
    create_clinic(tx)
    before = row_counts(tx)

    import_refusing(tx, kind(clinic_id="nroth", patient_id="new"))

    assert [(row.reason, row.detail, row.clinic) for row in not_sent_rows(tx)] == [
        ("unknown_clinic", "clinic_id: company company has no clinic nroth", "nroth")
    ]
    assert row_counts(tx) == before


def test_known_company_and_clinic_are_imported_beside_refused_events(tx: Transaction) -> None:
    create_clinic(tx)

    stats = import_refusing(tx, saved_payment(), saved_payment(company_id="other", clinic_id="x"), saved_patient("new"))

    assert (stats.imported, stats.refused, stats.noted) == (1, 1, 1)
    assert transmission_of(tx) == ("Transmission Successful", None, "imported")


def test_requeue_imports_after_the_clinic_was_added(tx: Transaction) -> None:
    import_refusing(tx, saved_patient(), saved_payment())
    set_clinic_settings(tx, COPAYS, SETTINGS_SINCE)

    assert requeue_matching(tx, FeedFilter(status="Not Sent", reason="unknown_company"), NOW, "user:ann") == 2
    stats = importing.retry_dead_letters(tx, REFUSING_CONTEXT, DueSelection(500))

    assert (stats.imported, stats.noted, stats.refused, not_sent_rows(tx)) == (1, 1, 0, [])
    assert ledger_entries(tx) == [("25.00", "2026-06-05")]


def test_requeue_after_only_the_company_was_added_names_the_clinic(tx: Transaction) -> None:
    import_refusing(tx, saved_payment())
    configuring.set_company(tx, CompanyUpdate("company"), now=NOW, who="user:ann")

    assert requeue(tx, ["clinic/payment/1"], NOW, "user:ann").count == 1
    importing.retry_dead_letters(tx, REFUSING_CONTEXT, DueSelection(500))

    assert [(row.reason, row.attempts) for row in not_sent_rows(tx)] == [("unknown_clinic", 2)]


def test_repeated_event_is_imported_after_the_clinic_was_added(tx: Transaction) -> None:
    event = saved_payment()
    import_refusing(tx, event)
    create_clinic(tx)

    import_refusing(tx, event)
    import_refusing(tx, next_version(event, amount_paid="30.00", amount_due="30.00"))

    assert ledger_entries(tx) == [("25.00", "2026-06-05"), ("5.00", "2026-06-05")]
    assert not_sent_rows(tx) == []


def test_refused_payment_is_a_reconciling_item(tx: Transaction) -> None:
    import_refusing(tx, saved_payment())

    balance = balancing.balance(tx, BalanceFilter(NOW.date().replace(day=1), NOW.date()))

    assert (str(balance.emr_total), str(balance.unexplained)) == ("25.00", "0.00")
    assert str(balance.items["not_sent"]) == "25.00"


def test_default_setting_creates_the_company_and_clinic_of_an_event(tx: Transaction) -> None:
    importing.import_events(
        tx, stream_entries([saved_payment()]), REFUSING_CONTEXT.__class__(NOW, "t", BACKOFF, fixed_stopwatch())
    )

    assert row_counts(tx)["companies"] == row_counts(tx)["clinics"] == 1
    assert [row.reason for row in not_sent_rows(tx)] == ["integration_off"]
