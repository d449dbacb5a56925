"""Hints to the tasks that take a payment on from its import: one to each waits at a time, and none comes too early."""

import pytest

from tasks import enqueue, importing
from tasks.adjusting import apply_adjustments
from tasks.detecting import detect_exceptions
from tasks.distributing import apply_at_once
from tasks.enqueue import WAITING_SECONDS_MAX
from tasks.resources import connect_redis
from tests.make import body, patient, saved

QUEUES = {
    importing.retry_due: "payments:imports",
    detect_exceptions: "payments:findings",
    apply_at_once: "payments:adjustments",
    apply_adjustments: "payments:adjustments",
}
pytestmark = pytest.mark.usefixtures("at_work")
TASKS = pytest.mark.parametrize("task", QUEUES, ids=lambda task: task.name)


def waiting(here):
    return {queue: here.broker.llen(queue) for queue in QUEUES.values()}


@TASKS
def test_one_hint_to_a_task_waits_at_a_time(here, task):
    for _ in range(3):
        enqueue.give(here.broker, task)

    assert here.broker.llen(QUEUES[task]) == 1


@TASKS
def test_once_a_task_has_begun_it_can_be_asked_for_again(here, task):
    enqueue.give(here.broker, task)
    task()
    enqueue.give(here.broker, task)

    assert here.broker.llen(QUEUES[task]) == 2


@TASKS
def test_a_hint_that_got_lost_keeps_others_back_no_longer_than_beat_waits(here, task):
    enqueue.give(here.broker, task)
    here.broker.delete(QUEUES[task])
    (mark,) = here.broker.keys("payments:hint:*")
    assert 0 < here.broker.ttl(mark) <= WAITING_SECONDS_MAX

    here.broker.delete(mark)  # as it goes by itself
    enqueue.give(here.broker, task)
    assert here.broker.llen(QUEUES[task]) == 1


def test_a_hint_to_one_task_keeps_none_to_another_back(here):
    for task in QUEUES:
        enqueue.give(here.broker, task)

    assert waiting(here) == {"payments:imports": 1, "payments:findings": 1, "payments:adjustments": 2}


def test_chunks_that_are_imported_one_after_the_other_leave_one_hint_of_each_kind(here, clinic_id):
    who = {"clinic_id": clinic_id, "patient_id": clinic_id}
    events = [saved("5.00", payment_id=each, charge_type="Payment on Account", **who) for each in "abc"]
    for event in (patient(clinic_id), *events):
        here.feed.xadd(here.settings.stream, {"event": body(event)})
        importing.import_events(reply_to="nobody")

    assert waiting(here) == {"payments:imports": 0, "payments:findings": 0, "payments:adjustments": 1}


def test_where_the_broker_is_away_no_hint_is_sent_and_nothing_fails(here, logged):
    with connect_redis("redis://127.0.0.1:1") as away:
        enqueue.give(away, detect_exceptions)
        enqueue.take(away, detect_exceptions)

    assert [entry["event"] for entry in logged] == ["hint not sent", "hint not taken"]
