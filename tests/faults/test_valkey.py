"""While events stream, Redis is killed, frozen, disconnected or full."""

import signal
import time

import pytest

from tests.faults.fault_injection import cut_redis_three_times, fill_memory, freeze, kill
from tests.faults.processes import wait_for
from tests.faults.trial import Trial, longest_seconds


def test_killed_valkey_keeps_every_confirmed_event(trial: Trial, is_long_run: bool) -> None:
    times, recoveries = 10 if is_long_run else 1, []
    with trial.run("SIGKILL of Valkey, restarted on its append-only file", times=times, events=times * 800) as result:
        for _ in range(times):
            time.sleep(0.5)
            kill(trial.stack, "valkey")
            recoveries.append(trial.measure_recovery())
        result.recovery_seconds = longest_seconds(recoveries)


def test_repeatedly_cut_connections_do_not_stop_the_import(trial: Trial, is_long_run: bool) -> None:
    rounds, recoveries = 20 if is_long_run else 1, []
    with trial.run("all Redis connections cut 3 times in 2 s", times=rounds, events=rounds * 600) as result:
        for _ in range(rounds):
            cut_redis_three_times(trial.stack)
            recoveries.append(trial.measure_recovery())
            assert recoveries[-1] < 30
            check_both_workers_answer(trial)
        result.recovery_seconds = longest_seconds(recoveries)


@pytest.mark.long
def test_full_memory_stops_the_publisher_and_loses_nothing(trial: Trial) -> None:
    recoveries = []
    with trial.run("Valkey's memory full, noeviction, for 5 s", times=3) as result:
        for _ in range(3):
            fill_memory(trial.stack, 5)
            recoveries.append(trial.measure_recovery())
        check_both_workers_answer(trial)
        result.recovery_seconds = longest_seconds(recoveries)
    assert "published again" in result.note, "nothing was refused"


@pytest.mark.long
def test_valkey_frozen_for_a_minute_delays_the_import_without_loss(trial: Trial) -> None:
    times, recoveries, before = 3, [], trial.stack.count_stalled_workers()
    with trial.run("Valkey stopped for 60 s (SIGSTOP)", times=times) as result:
        for _ in range(times):
            freeze(trial.stack, "valkey", 60)
            recoveries.append(trial.measure_recovery())
            check_both_workers_answer(trial)
        result.recovery_seconds = longest_seconds(recoveries)
        result.note = f"stalled workers restarted: {trial.stack.count_stalled_workers() - before}"


@pytest.mark.long
def test_valkey_frozen_for_a_moment_delays_the_import_without_loss(trial: Trial) -> None:
    recoveries = []
    with trial.run("Valkey stopped for 3 s (SIGSTOP)", times=5) as result:
        for _ in range(5):
            freeze(trial.stack, "valkey", 3)
            recoveries.append(trial.measure_recovery())
            check_both_workers_answer(trial)
        result.recovery_seconds = longest_seconds(recoveries)


def test_emptied_broker_loses_no_payment(trial: Trial, is_long_run: bool) -> None:
    times, recoveries = 20 if is_long_run else 1, []
    with trial.run("FLUSHDB of the broker while tasks are queued", times=times, events=times * 700) as result:
        for _ in range(times):
            worker = trial.stack.wait_for_main_pid("importer")
            trial.stack.signal(worker, signal.SIGSTOP)  # so that something is queued
            wait_for(lambda: trial.stack.broker.llen("payments:imports"), 10, "a task is queued")
            started, newest = time.monotonic(), trial.stack.newest_entry_id()
            trial.stack.broker.flushdb()
            trial.stack.signal(worker, signal.SIGCONT)
            # No message for the current entries exists any more.
            wait_for(lambda at=newest: trial.stack.is_acknowledged(at), 60, "what was on the feed is imported")
            recoveries.append(time.monotonic() - started)
        result.recovery_seconds = longest_seconds(recoveries)


def check_both_workers_answer(trial: Trial) -> None:
    """Check that each Celery worker answers a ping within the allowed time."""
    for queue in ("imports", "retries", "findings"):
        trial.measure_ping_latency(queue, 30)
