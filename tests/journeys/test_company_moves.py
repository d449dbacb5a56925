"""A company moves between two installations. During the move neither installation imports its events."""

from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

import pytest

from payments.core.close import ClosingError
from payments.core.company_move import MoveError, MoveState
from payments.core.due_selection import DueSelection
from payments.core.finding import DecisionError
from payments.core.month import Month
from payments.core.outcome import Status
from payments.journeys import (
    adjusting,
    closing,
    company_export,
    configuring,
    confirming,
    detecting,
    distributing,
    importing,
    reporting,
    requeue_runs,
    requeueing,
    retrying,
)
from payments.journeys.configuring import CompanyUpdate, SettingsUpdate
from payments.journeys.confirming import ConfirmationError, NamedClinic
from payments.journeys.requeueing import FeedFilter, RequeueSummary
from payments.store.ledger import company_moves, distribution, distribution_queue, distribution_runs
from payments.store.ledger.company_moves import CompanyMove
from payments.store.reports import dashboard
from tests.builders.events import (
    event_body,
    next_version,
    paid,
    run_context,
    saved_charge,
    saved_patient,
    saved_payment,
)
from tests.builders.ledger import feed_rows, ledger_entries
from tests.builders.office import BILLER, Office, office_with_closed_april

TWO_DAYS = timedelta(days=2)
APRIL_PAYMENT = saved_payment(**paid("25.00", "2020-04-08"))


@pytest.fixture
def office(tx):
    """An office with work for every sweep: a held payment, an exception, a queued account, a scheduled month."""
    office = office_with_closed_april(tx, APRIL_PAYMENT)
    configuring.set_company(tx, CompanyUpdate("company", adjustments="auto"), now=office.now, who=BILLER)
    office.publish(next_version(APRIL_PAYMENT, amount_due="30.00", amount_paid="30.00"))
    office.import_events(
        saved_payment(payment_id="held", patient_id="unknown", **paid("8.00", "2020-06-03")),
        saved_charge("visit", "4.00", date_of_service="2020-06-01"),
        saved_payment(payment_id="zero", amount_due="0.00", amount_paid="3.00", transaction_date="2020-06-03"),
    )
    office.import_events(b'{"company_id": "company", "clinic_id": "clinic"}')
    requeue_everything = FeedFilter(status=Status.VALIDATION_FAILED)
    run = requeue_runs.start_run(tx, requeue_everything, office.now, BILLER).run_id
    requeue_runs.requeue_next_chunk(tx, run, office.now, 500)
    closing.schedule(tx, "company", Month.parse("2020-05"), office.now, BILLER)
    return office


def mark_left(office: Office) -> None:
    company_export.mark_left(office.tx, office.company_id, office.now, "cli:0")


def lock_second_night_run(tx, now):
    """Lock and return the nightly run that is due two nights after `now`.

    The first lookup only records a new company. The company's first run is due in the next night.
    """
    distribution_runs.lock_due(tx, now)
    return distribution_runs.lock_due(tx, now + TWO_DAYS)


SWEEP_BY_NAME = {
    "due payments": lambda tx, now: retrying.retry_due(tx, run_context(now), DueSelection(500)).evaluated,
    "dead letters": lambda tx, now: importing.retry_dead_letters(tx, run_context(now), DueSelection(500)).evaluated,
    "exceptions": lambda tx, now: detecting.detect(tx, now, "tests-1", 500).examined,
    "accepted by policy": lambda tx, now: len(adjusting.list_auto_acceptable(tx, now)),
    "queued accounts": lambda tx, now: len(distribution_queue.dequeue(tx, 500)),
    "nightly accounts": lambda tx, now: len(distribution.accounts_after(tx, distributing.BEFORE_FIRST_ACCOUNT, 500)),
    "nightly run": lambda tx, now: bool(lock_second_night_run(tx, now)),
    "months to close": lambda tx, now: len(closing.due_months(tx, now)),
    "metric of exceptions": lambda tx, now: len(dashboard.open_exceptions(tx)),
    "metric of retries": lambda tx, now: dashboard.retry_backlog(tx).count,
    "backlog": lambda tx, now: sum(reporting.load_backlog(tx, now)),
}


def test_event_of_company_that_left_is_not_sent_with_what_to_do(office):
    mark_left(office)

    office.import_events(saved_payment(payment_id="late", amount="7.00"), saved_patient("eve"))

    row = feed_rows(office.tx)["clinic/late/1"]
    assert (row.status, row.reason, row.application) == ("Not Sent", "unknown_company", "none")
    assert row.detail == "company_id: company company has moved to another installation; publish the event there"
    assert ledger_entries(office.tx, "late") == []


def test_events_of_another_company_are_imported_when_one_has_left(office):
    mark_left(office)
    other = Office(office.tx, office.now, "other", "other-clinic")

    other.publish(saved_payment(company_id="other", clinic_id="other-clinic", payment_id="theirs", amount="9.00"))

    assert ledger_entries(office.tx, "theirs") == [("9.00", "2026-06-05")]


@pytest.mark.parametrize("name", SWEEP_BY_NAME)
def test_sweep_skips_company_that_left(office, name):
    mark_left(office)
    assert SWEEP_BY_NAME[name](office.tx, office.now + TWO_DAYS) == 0

    company_export.cancel_move(office.tx, "company", office.now, BILLER)
    assert SWEEP_BY_NAME[name](office.tx, office.now + TWO_DAYS) > 0


def changes_by_name(office: Office):
    tx, now = office.tx, office.now
    (finding,) = adjusting.list_acceptable(tx, "company")
    return {
        "accept": lambda: adjusting.accept(tx, finding, None, now, BILLER),
        "acknowledge": lambda: adjusting.acknowledge(tx, finding, "agreed", now, BILLER),
        "schedule": lambda: closing.begin_close(tx, "company", Month.parse("2020-05"), now, BILLER),
        "cancel": lambda: closing.cancel(tx, "company", Month.parse("2020-05"), now, BILLER),
        "company": lambda: configuring.set_company(tx, CompanyUpdate("company", hold_days=3), now=now, who=BILLER),
        "clinic": lambda: configuring.set_clinic(
            tx, SettingsUpdate("clinic", "company", integration=False), now=now, who=BILLER
        ),
    }


@pytest.mark.parametrize("change", ["accept", "acknowledge", "schedule", "cancel", "company", "clinic"])
def test_user_does_not_change_company_that_left(office, change):
    apply = changes_by_name(office)[change]
    mark_left(office)

    with pytest.raises((DecisionError, ClosingError, MoveError), match=r"company .*has moved to another"):
        apply()


def test_payment_of_company_that_left_is_not_requeued(office):
    office.set_types()
    office.publish(saved_payment(payment_id="off", amount="7.00", saved_at=office.now.isoformat()))
    mark_left(office)

    assert requeueing.requeue(office.tx, ["clinic/off/1"], office.now, BILLER) == RequeueSummary(0, ("clinic/off/1",))


def test_company_stays_when_the_export_is_cancelled(office):
    mark_left(office)
    office.import_events(saved_payment(payment_id="late", **paid("7.00", "2020-06-03")))

    company_export.cancel_move(office.tx, "company", office.now, BILLER)

    office.publish(saved_payment(payment_id="next", **paid("7.00", "2020-06-03")))
    office.requeue(["clinic/late/1"])
    assert ledger_entries(office.tx, "next") == ledger_entries(office.tx, "late") == [("7.00", "2020-06-03")]
    with pytest.raises(MoveError, match="has not left"):
        company_export.cancel_move(office.tx, "company", office.now, BILLER)


def test_late_events_are_those_received_after_the_company_moved_away(office):
    late = event_body(saved_payment(payment_id="late"))
    mark_left(office)
    office.now += timedelta(seconds=1)

    office.import_events(late)

    assert company_export.late_events(office.tx, "company") == [(late, None)]


def test_company_that_moved_away_cannot_be_confirmed_or_retired(office):
    mark_left(office)

    for act in (confirming.confirm, confirming.retire):
        with pytest.raises(ConfirmationError, match="`payments company cancel-export company` cancels the export"):
            act(office.tx, NamedClinic("company", None), office.now, BILLER)


def test_company_that_left_is_in_no_list(office):
    mark_left(office)

    assert configuring.list_companies(office.tx) == []
    assert configuring.list_clinic_settings(office.tx, office.now) == []


def test_company_that_billing_does_not_have_cannot_leave(tx):
    with pytest.raises(MoveError, match="Billing has no company nowhere"):
        company_export.mark_left(tx, "nowhere", datetime(2020, 6, 1, tzinfo=UTC), BILLER)


def test_event_of_arriving_company_is_not_sent_until_it_is_requeued(tx):
    office = Office(tx, date(2020, 6, 10))
    set_move_state(office, MoveState.ARRIVING)
    office.import_events(saved_payment(payment_id="early", **paid("7.00", "2020-06-03")))
    row = feed_rows(tx)["clinic/early/1"]
    assert (row.status, row.reason) == ("Not Sent", "unknown_company")
    assert row.detail == (
        "company_id: company company is being imported; requeue the event when the import has finished"
    )

    set_move_state(office, MoveState.ARRIVED)
    office.requeue(["clinic/early/1"])

    assert ledger_entries(tx, "early") == [("7.00", "2020-06-03")]


def test_confirming_the_company_cancels_its_unfinished_import(tx):
    office = Office(tx, date(2020, 6, 10))
    set_move_state(office, MoveState.ARRIVING)

    confirming.confirm(tx, NamedClinic("company", None), office.now, BILLER)

    office.publish(saved_payment(**paid("7.00", "2020-06-03")))
    assert ledger_entries(tx) == [("7.00", "2020-06-03")]


def set_move_state(office: Office, state: MoveState) -> None:
    company_moves.set_move(office.tx, office.company_id, CompanyMove(state, uuid4(), office.now, BILLER))
