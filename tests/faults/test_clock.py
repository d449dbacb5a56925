"""The clock of a worker steps back: what was imported stays, what waits is not stuck, what is new comes in."""

from datetime import date, timedelta

from payments.journeys import reporting
from payments.journeys.reporting import FeedQuery
from payments.store.session import Transaction
from tests.make import deleted, edited, patient, saved
from tests.office import Office


def test_a_clock_that_steps_back_an_hour_keeps_nothing_from_its_place(tx: Transaction) -> None:
    office = Office(tx, date(2026, 6, 20))
    first = saved("10.00", payment_id="first")
    gone = saved("20.00", payment_id="gone")
    early = saved("30.00", payment_id="early", patient_id="unheard-of")
    office.publish(first, gone, early)

    office.now -= timedelta(hours=1)
    office.publish(edited(first, amount_due="15.00", amount_paid="15.00"))
    office.publish(deleted(payment_id="gone", version=2))
    office.publish(patient("unheard-of"))

    rows = {row.payment: row.status for row in reporting.claims_feed(tx, FeedQuery())}
    assert set(rows.values()) == {"Transmission Successful"}
    amounts = sorted(amount for _, amount, _ in office.entries())
    assert amounts == ["-20.00", "10.00", "20.00", "30.00", "5.00"]


def test_months_close_and_stay_closed_under_a_clock_that_steps_back(tx: Transaction) -> None:
    office = Office(tx, date(2026, 7, 2))
    first = saved("10.00", payment_id="first")
    office.publish(first)
    office.close("2026-06")
    total = office.month_total("2026-06")

    office.now -= timedelta(days=3)  # June, as far as this worker knows
    office.publish(edited(first, amount_due="15.00", amount_paid="15.00"), saved("5.00", payment_id="late"))

    assert office.month_total("2026-06") == total
    assert sorted(str(finding.case) for finding in office.open_exceptions()) == ["added", "edited"]
