"""The intake enqueues a task only if work for it is due. So an idle installation runs few tasks."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from config.celery import ADJUSTMENTS, QUEUE_NAMES, RETRIES
from config.schedule import RECURRING
from payments.core.outcome import Status
from payments.core.scope import Scope
from payments.journeys import requeue_runs
from payments.journeys.reporting import FeedFilter
from payments.store.db.connection import transaction
from tasks.feed.due_work import DueWorkSweep
from tests.builders.committed import CommittedLedger
from tests.builders.events import saved_payment

HOUR = timedelta(hours=1)
TASKS_AN_HOUR_MAX = 365


@pytest.fixture
def due_work_sweep(worker_process, resources, clinic_id):
    """A sweep of an installation that has no due work."""
    with transaction(resources.database) as tx:
        tx.execute(text("DELETE FROM account_marks"))
        tx.execute(text("UPDATE requeue_runs SET state = 'done', finished_at = NULL"))
        tx.execute(text("UPDATE set_aside SET due_at = NULL"))
    return DueWorkSweep(resources.database, resources.broker)


def waiting_messages(broker):
    return {queue: count for queue in QUEUE_NAMES if (count := broker.llen(f"payments:{queue}"))}


def test_idle_installation_runs_few_tasks():
    # It was 2,281: three tasks every five seconds found nothing, and buried the imports in Flower's list.
    assert sum(HOUR / each.every for each in RECURRING) <= TASKS_AN_HOUR_MAX


def test_no_task_is_sent_while_nothing_is_due(due_work_sweep, resources):
    due_work_sweep.sweep()

    assert waiting_messages(resources.broker) == {}


def test_due_payment_enqueues_a_retry(due_work_sweep, resources, clinic_id):
    CommittedLedger(resources.database).import_events(saved_payment(clinic_id=clinic_id, patient_id="not-yet-known"))
    with transaction(resources.database) as tx:
        tx.execute(
            text("UPDATE lines SET due_at = :now WHERE clinic_id = :clinic"),
            {"now": datetime.now(UTC), "clinic": clinic_id},
        )

    due_work_sweep.sweep()

    assert waiting_messages(resources.broker) == {RETRIES: 1}


def test_queued_account_is_distributed(due_work_sweep, resources):
    with transaction(resources.database) as tx:
        tx.execute(text("INSERT INTO account_marks (company_id, patient_id, marked_at) VALUES ('c', 'p', now())"))

    due_work_sweep.sweep()

    assert waiting_messages(resources.broker) == {ADJUSTMENTS: 1}


def test_requeue_run_is_continued(due_work_sweep, resources, clinic_id):
    wanted = FeedFilter(status=Status.NOT_SENT, scope=Scope.of_clinics(clinic_id))
    with transaction(resources.database) as tx:
        requeue_runs.start_run(tx, wanted, datetime.now(UTC), "user:support")

    due_work_sweep.sweep()
    due_work_sweep.sweep()  # too early for another look

    assert waiting_messages(resources.broker) == {ADJUSTMENTS: 1}
