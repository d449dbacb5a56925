"""The distribution tasks: immediate distribution, and the nightly run in time slices."""

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from uuid import uuid4

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from sqlalchemy import text

from payments.journeys import distributing as journey
from payments.journeys import importing
from payments.store.db.connection import transaction
from payments.store.reports import account
from tasks import distributing, time_slice
from tasks.app import TaskFailedError
from tasks.distributing import apply_immediately, distribute_payments
from tasks.resources import connect_redis
from tests.builders.events import paid, run_context, saved_charge, saved_patient, saved_payment, stream_entries
from tests.builders.office import Office
from tests.tasks.dispatching import arguments_of

DAY = "2020-06-05"


@pytest.fixture(autouse=True)
def _apply_leftovers(worker_process):
    apply_immediately()


@pytest.fixture
def company(resources):
    """Create a company, and return its id. The id sorts after the companies of other tests."""
    name = f"zz-{uuid4()}"
    with transaction(resources.database) as tx:
        Office(tx, date(2020, 6, 10), name, name)
    return name


def import_visits(resources, company, patients, **more):
    """Import a charge of 20.00 and a payment of 30.00 for each patient."""
    events = []
    for each in patients:
        line = {"company_id": company, "clinic_id": company, "patient_id": each}
        events += [
            saved_patient(each, company_id=company),
            saved_charge(f"visit-{each}", "20.00", date_of_service=DAY, **line),
            saved_payment(payment_id=each, **(paid("30.00", DAY) | more), **line),
        ]
    with transaction(resources.database) as tx:
        importing.import_events(tx, stream_entries(events), run_context())


def unassigned_amounts(resources, company, patients):
    with transaction(resources.database) as tx:
        rows = {each: account.summaries(tx, each) for each in patients}
    return {each: row.unassigned for each, found in rows.items() for row in found if row.company == company}


def queued_patients(resources, company):
    """Return the patients whose accounts are queued for immediate distribution."""
    found = "SELECT DISTINCT patient_id FROM account_marks WHERE company_id = :company ORDER BY 1"
    with transaction(resources.database) as tx:
        return list(tx.execute(text(found), {"company": company}).scalars())


def make_nightly_run_due(resources, company):
    """Make the nightly run of this company due, and that of no other company."""
    distribute_payments()  # a new company waits for the next night
    with transaction(resources.database) as tx:
        done = "UPDATE companies SET distributed_on = '2020-06-09' WHERE company_id = :company"
        tx.execute(text(done), {"company": company})


def take_nightly_messages(engines):
    """Remove the messages of the nightly queue from the broker, and return their number."""
    with connect_redis(engines.broker_url) as broker:
        messages = [json.loads(raw) for raw in broker.lpop("payments:nightly", 100) or []]
    assert [arguments_of(message) for message in messages] == [{}] * len(messages)
    return len(messages)


def test_run_continues_in_another_message_after_its_time_slice(resources, engines, company, monkeypatch):
    patients = [f"p{number}" for number in range(5)]
    import_visits(resources, company, patients)
    make_nightly_run_due(resources, company)
    monkeypatch.setattr(distributing, "BATCH_ACCOUNTS", 2)
    monkeypatch.setattr(time_slice, "TIME_SLICE_SECONDS", 0)  # one batch is a whole time slice

    assert distribute_payments() == "2 allocations, 40.00 applied"
    assert unassigned_amounts(resources, company, patients) == dict.fromkeys(
        patients[:2], Decimal("10.00")
    ) | dict.fromkeys(patients[2:], Decimal("30.00"))
    assert take_nightly_messages(engines) == 1

    while distribute_payments() != "0 allocations, 0.00 applied":
        pass

    assert unassigned_amounts(resources, company, patients) == dict.fromkeys(patients, Decimal("10.00"))


def test_finished_run_sends_no_message_and_runs_once_a_day(resources, engines, company):
    import_visits(resources, company, ["ada"])
    make_nightly_run_due(resources, company)

    assert [distribute_payments(), distribute_payments()] == [
        "1 allocations, 20.00 applied",
        "0 allocations, 0.00 applied",
    ]

    assert take_nightly_messages(engines) == 0
    assert unassigned_amounts(resources, company, ["ada"]) == {"ada": Decimal("10.00")}


def test_interrupted_run_continues_where_it_stopped(resources, company, monkeypatch):
    patients = [f"p{number}" for number in range(3)]
    import_visits(resources, company, patients)
    make_nightly_run_due(resources, company)
    monkeypatch.setattr(distributing, "BATCH_ACCOUNTS", 2)
    original, batches = journey.distribute_next_due, []

    def fail_in_the_second_batch(*arguments):
        batches.append(original(*arguments))
        if len(batches) == 2:
            raise SoftTimeLimitExceeded
        return batches[-1]

    with monkeypatch.context() as patched:
        patched.setattr(journey, "distribute_next_due", fail_in_the_second_batch)
        with pytest.raises(TaskFailedError, match=r"^SoftTimeLimitExceeded$"):
            distribute_payments()
    assert unassigned_amounts(resources, company, patients) == {
        "p0": Decimal("10.00"),
        "p1": Decimal("10.00"),
        "p2": Decimal("30.00"),
    }

    assert distribute_payments() == "1 allocations, 20.00 applied"


def test_concurrent_run_sends_no_second_message(resources, engines, company):
    import_visits(resources, company, ["ada"])
    make_nightly_run_due(resources, company)
    with transaction(resources.database) as tx:
        assert journey.distribute_next_due(tx, datetime.now(UTC), 1).last
        assert distribute_payments() == "0 allocations, 0.00 applied"

    assert take_nightly_messages(engines) == 0


def test_payments_on_account_are_applied_immediately_until_the_queue_is_empty(resources, company, monkeypatch):
    patients = ["ada", "bob", "cleo"]
    import_visits(resources, company, patients, charge_type="Payment on Account", date_of_service=None)
    assert queued_patients(resources, company) == patients
    monkeypatch.setattr(distributing, "BATCH_ACCOUNTS", 2)

    assert apply_immediately() == "3 allocations"

    assert queued_patients(resources, company) == []
    assert unassigned_amounts(resources, company, patients) == dict.fromkeys(patients, Decimal("10.00"))
    assert apply_immediately() == "0 allocations"


def test_other_payments_wait_for_the_nightly_run(resources, company):
    import_visits(resources, company, ["ada"])

    assert apply_immediately() == "0 allocations"
    assert (queued_patients(resources, company), unassigned_amounts(resources, company, ["ada"])) == (
        [],
        {"ada": Decimal("30.00")},
    )


def test_account_changed_during_distribution_stays_queued(resources, company):
    import_visits(resources, company, ["ada", "bob"], charge_type="Payment on Account", date_of_service=None)
    with transaction(resources.database) as tx:
        line = {"company_id": company, "clinic_id": company}
        again = saved_payment(payment_id="ada", patient_id="ada", version=2, **paid("31.00", DAY), **line)
        importing.import_events(
            tx, stream_entries([again, saved_patient("ada", company_id=company, version=2)]), run_context()
        )
        assert apply_immediately() == "2 allocations"

    assert queued_patients(resources, company) == ["ada"]
    assert apply_immediately() == "0 allocations"
    assert unassigned_amounts(resources, company, ["ada", "bob"]) == {"ada": Decimal("11.00"), "bob": Decimal("10.00")}
