"""A task is not enqueued if a message of this task is already waiting."""

import pytest

from config.schedule import RECURRING
from tasks import importing, wire_names
from tasks.adjusting import accept_by_policy
from tasks.analyzing import analyze_tables
from tasks.app import TASK_MODULES, app
from tasks.balancing import balance
from tasks.closing import close_months
from tasks.detecting import detect_exceptions
from tasks.distributing import apply_immediately, distribute_payments
from tasks.enqueue import WAITING_SECONDS_MAX, clear_enqueued, enqueue_once
from tasks.requeueing import run_requeues
from tasks.resources import connect_redis
from tasks.retention import create_partitions
from tasks.snapshotting import snapshot_queues
from tests.builders.events import event_body, saved_patient, saved_payment

QUEUE_BY_TASK = {
    importing.retry_due: "payments:retries",
    detect_exceptions: "payments:findings",
    apply_immediately: "payments:adjustments",
    accept_by_policy: "payments:adjustments",
    run_requeues: "payments:adjustments",
    distribute_payments: "payments:nightly",
    balance: "payments:nightly",
    close_months: "payments:nightly",
    create_partitions: "payments:nightly",
    analyze_tables: "payments:nightly",
    snapshot_queues: "payments:nightly",
}
pytestmark = pytest.mark.usefixtures("worker_process")
each_task = pytest.mark.parametrize("task", QUEUE_BY_TASK, ids=lambda task: task.name)


def queue_lengths(resources):
    return {queue: resources.broker.llen(queue) for queue in QUEUE_BY_TASK.values()}


def test_every_recurring_task_is_tested_here():
    assert {task.name for task in QUEUE_BY_TASK} == {each.task for each in RECURRING}


def test_wire_names_are_those_of_the_registered_tasks():
    for module in TASK_MODULES:
        __import__(module)

    assert {name for key, name in vars(wire_names).items() if key.isupper()} <= app.tasks.keys()


@each_task
def test_task_is_enqueued_once_while_a_message_waits(resources, task):
    for _ in range(3):
        enqueue_once(resources.broker, task.name)

    assert resources.broker.llen(QUEUE_BY_TASK[task]) == 1


@each_task
def test_task_that_has_started_can_be_enqueued_again(resources, task):
    enqueue_once(resources.broker, task.name)
    task()
    enqueue_once(resources.broker, task.name)

    assert resources.broker.llen(QUEUE_BY_TASK[task]) == 2


@each_task
def test_lost_message_blocks_others_for_a_limited_time(resources, task):
    enqueue_once(resources.broker, task.name)
    resources.broker.delete(QUEUE_BY_TASK[task])
    (marker,) = resources.broker.keys("payments:hint:*")
    assert 0 < resources.broker.ttl(marker) <= WAITING_SECONDS_MAX

    resources.broker.delete(marker)  # as if it had expired
    enqueue_once(resources.broker, task.name)
    assert resources.broker.llen(QUEUE_BY_TASK[task]) == 1


def test_waiting_message_of_one_task_does_not_block_another_task(resources):
    for task in QUEUE_BY_TASK:
        enqueue_once(resources.broker, task.name)

    assert queue_lengths(resources) == {
        "payments:retries": 1,
        "payments:findings": 1,
        "payments:adjustments": 3,
        "payments:nightly": 6,
    }


def test_several_imports_leave_one_message_of_each_task(resources, clinic_id):
    ids = {"clinic_id": clinic_id, "patient_id": clinic_id}
    events = [saved_payment("5.00", payment_id=each, charge_type="Payment on Account", **ids) for each in "abc"]
    for event in (saved_patient(clinic_id), *events):
        resources.feed.xadd(resources.settings.stream, {"event": event_body(event)})
        importing.import_events(reply_to="no-reply")

    assert queue_lengths(resources) == {
        "payments:retries": 0,
        "payments:findings": 0,
        "payments:adjustments": 1,
        "payments:nightly": 0,
    }


def test_unavailable_broker_is_logged_and_raises_nothing(resources, log_entries):
    with connect_redis("redis://127.0.0.1:1") as unavailable:
        enqueue_once(unavailable, wire_names.DETECT_EXCEPTIONS)
        clear_enqueued(unavailable, wire_names.DETECT_EXCEPTIONS)

    assert [entry["event"] for entry in log_entries] == ["enqueue_failed", "clear_enqueued_failed"]
