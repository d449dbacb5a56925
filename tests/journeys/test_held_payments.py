"""Payments held for their patient or their month."""

from datetime import timedelta

from console.reports.timeline import timeline_records
from payments import wording
from payments.journeys import reporting
from tests.builders.events import BACKOFF, COPAYS, NOW, deleted_payment, next_version, saved_patient, saved_payment
from tests.journeys.billing import NO_LADDER, PAYMENT, choose, feed, ledger, open_clinic, set_month, stand, sweep, take

LATER = NOW + sum(BACKOFF, timedelta(0))
PENDING = ("Transmission Pending", None, "held")


def of_unknown_patient(**changes):
    return saved_payment("25.00", patient_id="stranger", **changes)


def test_payment_waits_for_its_patient_and_is_released(tx):
    open_clinic(tx)
    take(tx, of_unknown_patient())
    assert (stand(tx), ledger(tx)) == (PENDING, [])

    stats = take(tx, saved_patient("stranger"))
    assert (stats.released, stats.noted) == (1, 1)
    sweep(tx)

    assert (stand(tx), ledger(tx)) == (("Transmission Successful", None, "imported"), [("25.00", "2026-06-05")])


def test_payment_with_its_patient_in_one_chunk_is_not_held(tx):
    open_clinic(tx)
    stats = take(tx, of_unknown_patient(), saved_patient("stranger"))

    assert (stats.imported, stats.held) == (1, 0)


def test_patient_of_another_company_releases_no_payment(tx):
    open_clinic(tx)
    take(tx, of_unknown_patient())

    assert take(tx, saved_patient("stranger", company_id="other")).released == 0


def test_exhausted_backoff_schedule_is_not_sent_and_the_patient_still_releases_it(tx):
    open_clinic(tx)
    take(tx, of_unknown_patient())
    tries = [sweep(tx, NOW + timedelta(seconds=10)), sweep(tx, LATER), sweep(tx, LATER)]

    assert [(stats.held, stats.not_sent) for stats in tries] == [(1, 0), (0, 1), (0, 0)]
    assert stand(tx) == ("Not Sent", "patient_not_found", "none")
    assert feed(tx)[PAYMENT].attempts == 3

    take(tx, saved_patient("stranger"), now=LATER)
    sweep(tx, LATER)
    assert (stand(tx), ledger(tx)) == (("Transmission Successful", None, "imported"), [("25.00", "2026-06-05")])


def test_newer_version_replaces_a_held_one(tx):
    open_clinic(tx)
    first = of_unknown_patient()
    take(tx, first)
    take(tx, next_version(first, amount_due="35.00", amount_paid="35.00"))
    take(tx, saved_patient("stranger"))
    sweep(tx)

    assert ledger(tx) == [("35.00", "2026-06-05")]


def test_held_payment_that_is_deleted_is_never_imported(tx):
    open_clinic(tx)
    take(tx, of_unknown_patient())
    take(tx, deleted_payment(version=2, patient_id="stranger"))
    take(tx, saved_patient("stranger"))
    sweep(tx)

    assert (stand(tx), ledger(tx)) == (("Transmission Successful", None, "none"), [])


def test_held_payment_uses_the_settings_of_its_save_time(tx):
    open_clinic(tx)
    take(tx, of_unknown_patient())
    choose(tx, COPAYS._replace(integration=False), since=NOW)
    take(tx, saved_patient("stranger"))
    sweep(tx)

    assert stand(tx) == ("Transmission Successful", None, "imported")


def test_payments_of_a_closing_month_wait_until_it_is_closed(tx):
    open_clinic(tx)
    set_month(tx, "2026-06", "CLOSING")
    take(tx, saved_payment("25.00"))
    assert stand(tx) == PENDING

    set_month(tx, "2026-06", "CLOSED")
    sweep(tx, LATER)

    assert (stand(tx), ledger(tx)) == (("Transmission Successful", None, "exception"), [])


def test_payment_of_a_month_stuck_in_closing_is_not_lost(tx):
    open_clinic(tx)
    set_month(tx, "2026-06", "CLOSING")
    take(tx, saved_payment("25.00"), patience=NO_LADDER)

    assert stand(tx) == ("Not Sent", "retries_exhausted", "none")


def test_timeline_shows_each_attempt_and_the_next_time(tx):
    open_clinic(tx)
    take(tx, of_unknown_patient())
    sweep(tx, NOW + timedelta(seconds=10))
    take(tx, saved_patient("stranger"))
    sweep(tx, LATER)

    rows = reporting.timeline(tx, PAYMENT)

    assert [wording.history(row.code) for row in rows] == ["Held", "Held", "Imported"]
    assert [row.at for row in rows] == [NOW, NOW + timedelta(seconds=10), LATER]
    assert all("in the EMR. next attempt 2026-06-10" in str(row["detail"]) for row in timeline_records(rows[:2]))
    assert {(row.who, row.version, row.duration_ms) for row in rows} == {("tests-1", 1, 7)}
