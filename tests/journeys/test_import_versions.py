"""Importing repeated events, and versions of a line in any order."""

from decimal import Decimal

import pytest
from sqlalchemy import text

from console.reports.timeline import timeline_records
from payments.journeys import reporting
from tests.builders.events import (
    deleted_payment,
    next_version,
    saved_charge,
    saved_patient,
    saved_payment,
)
from tests.builders.ledger import (
    PAYMENT_KEY,
    create_clinic,
    feed_rows,
    import_chunk,
    ledger_entries,
    transmission_of,
)

SUCCESSFUL, FAILED = "Transmission Successful", "Validation Failed"
FIRST_SAVE = saved_payment("25.00", version=2)


@pytest.mark.parametrize(
    ("again", "detail"),
    [
        (FIRST_SAVE, "Duplicate event ignored"),
        (saved_payment("25.00", version=2), "Version 2 repeated; ignored"),
        (saved_payment("99.00", version=1), "Version 1 ignored; Billing has version 2"),
    ],
    ids=["same event", "same version", "older version"],
)
def test_repeated_or_older_version_changes_nothing_and_is_recorded(tx, again, detail):
    create_clinic(tx)
    import_chunk(tx, FIRST_SAVE)

    stats = import_chunk(tx, again)

    assert (stats.unchanged, stats.evaluated) == (1, 1)
    assert ledger_entries(tx) == [("25.00", "2026-06-05")]
    assert timeline_records(reporting.timeline(tx, PAYMENT_KEY))[-1]["detail"] == detail
    assert feed_rows(tx)[PAYMENT_KEY].attempts == 1


def test_timeline_shows_the_entries_of_each_version(tx):
    create_clinic(tx)
    import_chunk(tx, saved_payment("25.00"), saved_payment("35.00", version=2, method="Check"))
    import_chunk(tx, deleted_payment(version=3))

    events = timeline_records(reporting.timeline(tx, PAYMENT_KEY))

    assert [(event["version"], event["detail"]) for event in events] == [
        (1, "25.00 Cash Copay, deposit date 2026-06-05. Total in Billing: 25.00"),
        (
            2,
            (
                "-25.00 Cash Copay, deposit date 2026-06-05; 35.00 Check Copay, deposit date 2026-06-05. "
                "Total in Billing: 35.00"
            ),
        ),
        (3, "-35.00 Check Copay, deposit date 2026-06-05. Total in Billing: 0.00"),
    ]


def test_version_conflict_lasts_until_the_next_save(tx):
    create_clinic(tx)
    import_chunk(tx, saved_payment("25.00"))

    import_chunk(tx, saved_payment("99.00"))
    assert transmission_of(tx) == (FAILED, "version_conflict", "none")
    assert ledger_entries(tx) == [("25.00", "2026-06-05")]

    import_chunk(tx, saved_payment("30.00", version=2))
    assert transmission_of(tx) == (SUCCESSFUL, None, "updated")


def test_same_event_id_with_other_content_is_a_conflict(tx):
    create_clinic(tx)
    first = saved_payment("25.00")
    import_chunk(tx, first)

    stats = import_chunk(tx, saved_payment("99.00", version=2, event_id=str(first.event_id)))

    assert stats.refused == 1
    assert transmission_of(tx) == (FAILED, "version_conflict", "none")
    assert ledger_entries(tx) == [("25.00", "2026-06-05")]


@pytest.mark.parametrize("together", [True, False], ids=["one chunk", "two chunks"])
def test_second_of_two_events_with_one_id_fails_validation(tx, together):
    create_clinic(tx)
    first, second = saved_payment("25.00", payment_id="z"), saved_payment("99.00", payment_id="a")
    second = second.model_copy(update={"event_id": first.event_id})

    for chunk in [[first, second]] if together else [[first], [second]]:
        import_chunk(tx, *chunk)

    assert {payment: row.status for payment, row in feed_rows(tx).items()} == {
        "clinic/z/1": SUCCESSFUL,
        "clinic/a/1": FAILED,
    }


def test_versions_of_a_line_in_one_chunk_are_applied_in_order(tx):
    create_clinic(tx)
    first = saved_payment("25.00")
    second = next_version(first, amount_due="35.00", amount_paid="35.00")

    import_chunk(tx, next_version(second, transaction_date="2026-06-08"), first, second, second)

    assert ledger_entries(tx) == [
        ("25.00", "2026-06-05"),
        ("10.00", "2026-06-05"),
        ("-35.00", "2026-06-05"),
        ("35.00", "2026-06-08"),
    ]


def test_deletion_arriving_before_its_payment_wins(tx):
    create_clinic(tx)
    import_chunk(tx, deleted_payment(version=2))
    import_chunk(tx, saved_payment("25.00"))

    assert ledger_entries(tx) == []
    assert (transmission_of(tx), feed_rows(tx)[PAYMENT_KEY].amount) == ((SUCCESSFUL, None, "none"), Decimal("0.00"))


def test_newest_version_of_patient_and_charge_wins(tx):
    charges = [saved_charge("c", f"{v}.00", version=v) for v in (2, 3, 1)]
    stats = import_chunk(tx, saved_patient(version=2, name="B."), saved_patient(version=1, name="A."), *charges)

    assert stats.noted == 5
    assert tx.execute(text("SELECT name, version FROM patients")).all() == [("B.", 2)]
    assert tx.execute(text("SELECT patient_balance::text FROM charges")).all() == [("3.00",)]
