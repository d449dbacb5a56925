"""Payments held for their patient or their month."""

from datetime import timedelta

from console.reports.timeline import timeline_records
from payments import wording
from payments.journeys import reporting
from tests.builders.events import BACKOFF, COPAYS, NOW, deleted_payment, next_version, saved_patient, saved_payment
from tests.builders.ledger import (
    NO_RETRIES,
    PAYMENT_KEY,
    create_clinic,
    feed_rows,
    import_chunk,
    ledger_entries,
    retry_due,
    set_clinic_settings,
    set_month_state,
    transmission_of,
)

AFTER_ALL_RETRIES = NOW + sum(BACKOFF, timedelta(0))
HELD_TRANSMISSION = ("Transmission Pending", None, "held")


def payment_of_unknown_patient(**changes):
    return saved_payment("25.00", patient_id="stranger", **changes)


def test_payment_waits_for_its_patient_and_is_released(tx):
    create_clinic(tx)
    import_chunk(tx, payment_of_unknown_patient())
    assert (transmission_of(tx), ledger_entries(tx)) == (HELD_TRANSMISSION, [])

    stats = import_chunk(tx, saved_patient("stranger"))
    assert (stats.released, stats.noted) == (1, 1)
    retry_due(tx)

    assert (transmission_of(tx), ledger_entries(tx)) == (
        ("Transmission Successful", None, "imported"),
        [("25.00", "2026-06-05")],
    )


def test_payment_with_its_patient_in_one_chunk_is_not_held(tx):
    create_clinic(tx)
    stats = import_chunk(tx, payment_of_unknown_patient(), saved_patient("stranger"))

    assert (stats.imported, stats.held) == (1, 0)


def test_patient_of_another_company_releases_no_payment(tx):
    create_clinic(tx)
    import_chunk(tx, payment_of_unknown_patient())

    assert import_chunk(tx, saved_patient("stranger", company_id="other")).released == 0


def test_payment_whose_retries_are_exhausted_is_not_sent_until_its_patient_is_saved(tx):
    create_clinic(tx)
    import_chunk(tx, payment_of_unknown_patient())
    tries = [
        retry_due(tx, NOW + timedelta(seconds=10)),
        retry_due(tx, AFTER_ALL_RETRIES),
        retry_due(tx, AFTER_ALL_RETRIES),
    ]

    assert [(stats.held, stats.not_sent) for stats in tries] == [(1, 0), (0, 1), (0, 0)]
    assert transmission_of(tx) == ("Not Sent", "patient_not_found", "none")
    assert feed_rows(tx)[PAYMENT_KEY].attempts == 3

    import_chunk(tx, saved_patient("stranger"), now=AFTER_ALL_RETRIES)
    retry_due(tx, AFTER_ALL_RETRIES)
    assert (transmission_of(tx), ledger_entries(tx)) == (
        ("Transmission Successful", None, "imported"),
        [("25.00", "2026-06-05")],
    )


def test_newer_version_replaces_a_held_one(tx):
    create_clinic(tx)
    first = payment_of_unknown_patient()
    import_chunk(tx, first)
    import_chunk(tx, next_version(first, amount_due="35.00", amount_paid="35.00"))
    import_chunk(tx, saved_patient("stranger"))
    retry_due(tx)

    assert ledger_entries(tx) == [("35.00", "2026-06-05")]


def test_held_payment_that_is_deleted_is_never_imported(tx):
    create_clinic(tx)
    import_chunk(tx, payment_of_unknown_patient())
    import_chunk(tx, deleted_payment(version=2, patient_id="stranger"))
    import_chunk(tx, saved_patient("stranger"))
    retry_due(tx)

    assert (transmission_of(tx), ledger_entries(tx)) == (("Transmission Successful", None, "none"), [])


def test_held_payment_is_evaluated_with_the_settings_of_its_save_time(tx):
    create_clinic(tx)
    import_chunk(tx, payment_of_unknown_patient())
    set_clinic_settings(tx, COPAYS._replace(integration=False), since=NOW)
    import_chunk(tx, saved_patient("stranger"))
    retry_due(tx)

    assert transmission_of(tx) == ("Transmission Successful", None, "imported")


def test_payments_of_a_closing_month_wait_until_it_is_closed(tx):
    create_clinic(tx)
    set_month_state(tx, "2026-06", "CLOSING")
    import_chunk(tx, saved_payment("25.00"))
    assert transmission_of(tx) == HELD_TRANSMISSION

    set_month_state(tx, "2026-06", "CLOSED")
    retry_due(tx, AFTER_ALL_RETRIES)

    assert (transmission_of(tx), ledger_entries(tx)) == (("Transmission Successful", None, "exception"), [])


def test_payment_of_a_month_stuck_in_closing_is_not_lost(tx):
    create_clinic(tx)
    set_month_state(tx, "2026-06", "CLOSING")
    import_chunk(tx, saved_payment("25.00"), backoff_schedule=NO_RETRIES)

    assert transmission_of(tx) == ("Not Sent", "retries_exhausted", "none")


def test_timeline_shows_each_attempt_and_the_next_time(tx):
    create_clinic(tx)
    import_chunk(tx, payment_of_unknown_patient())
    retry_due(tx, NOW + timedelta(seconds=10))
    import_chunk(tx, saved_patient("stranger"))
    retry_due(tx, AFTER_ALL_RETRIES)

    rows = reporting.timeline(tx, PAYMENT_KEY)

    assert [wording.history(row.code) for row in rows] == ["Held", "Held", "Imported"]
    assert [row.at for row in rows] == [NOW, NOW + timedelta(seconds=10), AFTER_ALL_RETRIES]
    assert all(
        "sent automatically. next attempt 2026-06-10" in str(row["detail"]) for row in timeline_records(rows[:2])
    )
    assert {(row.who, row.version, row.duration_ms) for row in rows} == {("importer-1", 1, 7)}
