"""Replicas send signs of life. The health check names each service that sends none, and the operator's next step."""

from datetime import UTC, datetime, timedelta

import pytest

from tasks import failed_tasks, health_check, replicas, worker_check
from tasks.failed_tasks import FailedTask
from tasks.replicas import FLOWER, SILENT_AFTER, read_replicas, send_sign_of_life, sign_off

NOW = datetime(2026, 6, 10, 8, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _delete_signs_of_life(feed):
    for pattern in (
        "payments:replica*",
        "payments:flower:replica*",
        failed_tasks.FAILED_TASKS_KEY,
        "payments:scheduler:heartbeat",
    ):
        for key in feed.keys(pattern):
            feed.delete(key)


def grow_older(feed, service, span):
    """Make the last signs of life of a service's replicas older by `span`."""
    for key in feed.keys(f"*replica:{service}:*"):
        feed.expire(key, feed.ttl(key) - int(span.total_seconds()))


def check_failed_tasks(feed, now):
    return health_check._check_failed_tasks(failed_tasks.read(feed, now - health_check.FAILED_TASKS_PERIOD))


@pytest.mark.parametrize("service", ["importer", FLOWER])
def test_replica_is_silent_some_time_after_its_last_sign_of_life(feed, service):
    send_sign_of_life(feed, service)
    assert [each.is_silent for each in read_replicas(feed, service)] == [False]

    grow_older(feed, service, SILENT_AFTER + timedelta(seconds=2))

    assert [each.is_silent for each in read_replicas(feed, service)] == [True]


def test_replica_that_signed_off_is_forgotten(feed):
    send_sign_of_life(feed, "importer")
    sign_off(feed, "importer")

    assert read_replicas(feed, "importer") == []


def test_replica_is_forgotten_an_hour_after_its_last_sign_of_life(feed, monkeypatch):
    send_sign_of_life(feed, "importer")
    for key in feed.keys("*replica:importer:*"):
        feed.delete(key)  # as if it had expired

    assert read_replicas(feed, "importer") == []
    assert feed.keys("*replicas:importer") == []


def test_service_with_a_silent_and_a_living_replica_needs_attention(feed, monkeypatch, engines):
    send_sign_of_life(feed, "importer")
    grow_older(feed, "importer", SILENT_AFTER + timedelta(seconds=2))
    monkeypatch.setattr(replicas, "_process_name", lambda: "another:1")
    send_sign_of_life(feed, "importer")

    importer, retrier, _ = worker_check.check_workers(engines, feed, timeout_seconds=0)

    assert (importer.is_up, importer.state, len(importer.replicas)) == (True, "check", 2)
    assert (retrier.state, retrier.next_step) == ("down", "Start the retrier (workers.retrier), and read its log.")


def test_stopped_scheduler_is_down_with_its_next_step(feed):
    status = health_check._check_scheduler(feed, start_seconds=0)

    assert (status.state, status.detail) == ("down", "no heartbeat for 30 s")
    assert status.next_step == "Start the scheduler (workers.scheduler), and read its log."


def test_failed_task_needs_attention_for_a_day(feed):
    failed = FailedTask("billing.balance", "id-1", NOW, "ValueError", "backoffice-1")
    failed_tasks.record(feed, failed)

    status = check_failed_tasks(feed, NOW + timedelta(hours=23))

    assert (status.state, status.detail) == ("check", "1 in the last 24 hours: billing.balance")
    assert check_failed_tasks(feed, NOW + timedelta(hours=25)).state == "up"
    assert failed_tasks.read(feed, NOW) == [failed]


def test_only_the_latest_failed_tasks_are_kept(feed, monkeypatch):
    monkeypatch.setattr(failed_tasks, "KEPT_MAX", 2)
    for number in range(4):
        failed_tasks.record(feed, FailedTask("billing.balance", f"id-{number}", NOW, "ValueError", "backoffice-1"))

    assert [each.task_id for each in failed_tasks.read(feed, NOW)] == ["id-3", "id-2"]
