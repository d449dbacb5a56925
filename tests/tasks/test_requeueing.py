"""The back office continues requeue runs, even if the process that started them has ended."""

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from config.celery import RETRIES
from payments.core.outcome import Status
from payments.core.scope import EVERYTHING, Scope
from payments.journeys import configuring, requeue_runs
from payments.journeys.configuring import SettingsUpdate
from payments.journeys.reporting import FeedFilter
from payments.store.db.connection import transaction
from tasks.importing import retry_due
from tasks.requeueing import run_requeues
from tests.builders.committed import CommittedLedger
from tests.builders.events import saved_patient, saved_payment
from tests.tasks.refusing import finish_work, let_delays_end, postponed_work_of, refused_rows

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _finish_leftovers(worker_process):
    finish_work(worker_process)
    run_requeues()


@pytest.fixture
def company(resources):
    return not_sent_company(resources, "a", "b", "c")


def not_sent_company(resources, *payment_ids):
    """Add a company with payments that were not sent, and return its id."""
    name = f"requeued-{uuid4().hex[:8]}"
    ids = {"company_id": name, "clinic_id": name}
    ledger = CommittedLedger(resources.database)
    with transaction(resources.database) as tx:
        off = SettingsUpdate(name, name, integration=False, charge_types=[])
        configuring.set_clinic(tx, off, now=datetime.now(UTC), who="user:admin")
    moment = datetime.now(UTC).isoformat()
    events = (saved_payment("9.00", payment_id=each, saved_at=moment, **ids) for each in payment_ids)
    ledger.import_events(saved_patient(company_id=name), *events)
    ledger.set_clinic(name, company_id=name)
    return name


def start_run_of(resources, company):
    wanted = FeedFilter(status=Status.NOT_SENT, scope=Scope.of_companies(company))
    with transaction(resources.database) as tx:
        return requeue_runs.start_run(tx, wanted, datetime.now(UTC), "user:support").run_id


def show_run_of(resources, run):
    with transaction(resources.database) as tx:
        return requeue_runs.show_run(tx, run, EVERYTHING)


def test_run_whose_process_ended_is_continued_and_its_outcome_stored(resources, company):
    run = start_run_of(resources, company)
    with transaction(resources.database) as tx:
        assert requeue_runs.requeue_next_chunk(tx, run, datetime.now(UTC), 1)  # then the process ends

    assert run_requeues() == "2 chunks examined, 0 outcomes stored"

    assert (show_run_of(resources, run).state, show_run_of(resources, run).done) == ("done", 3)
    assert resources.broker.llen(f"payments:{RETRIES}") == 1
    retry_due()
    assert run_requeues() == "0 chunks examined, 1 outcomes stored"
    assert [(each.result, each.count) for each in show_run_of(resources, run).outcome] == [("imported", 3)]


def test_run_that_fails_is_postponed_and_stops_no_other(resources, company):
    other = not_sent_company(resources, "d")
    failing, going_on = start_run_of(resources, company), start_run_of(resources, other)

    with refused_rows(resources.database, "requeue_items", f"NEW.company_id = '{company}'"):
        run_requeues()

    assert (show_run_of(resources, failing).state, show_run_of(resources, going_on).state) == ("running", "done")
    assert postponed_work_of(resources.database, company) == [(company, "requeue_run", str(failing), 1)]
    run_requeues()
    assert show_run_of(resources, failing).state == "running"
    let_delays_end(resources.database)
    run_requeues()
    assert (show_run_of(resources, failing).state, postponed_work_of(resources.database, company)) == ("done", [])
