"""Several intakes and importers, frozen workers, and workers that are stopped during work."""

import json
import signal
import time

import pytest
from sqlalchemy import text

from payments.store.db.connection import IDLE_IN_TRANSACTION_SECONDS_MAX, transaction
from tests.faults.fault_injection import is_importing
from tests.faults.processes import children_of, is_alive, wait_for
from tests.faults.running_stack import RunningStack
from tests.faults.trial import Trial, longest_seconds


@pytest.mark.long
def test_two_intakes_and_four_importers_share_the_feed(trial: Trial, is_long_run: bool) -> None:
    stack, events = trial.stack, 20_000 if is_long_run else 4_000
    more = [stack.start_extra_process(name) for name in ("intake", "importer", "importer", "importer")]
    with trial.run("2 dispatchers and 4 importers in parallel", times=1, events=events, rate=2_000) as result:
        wait_for(lambda: all(children_of(each.pid) for each in more[1:]), 30, "all importers have their children")
        result.recovery_seconds = round(trial.measure_recovery(), 1)
    for each in more:
        each.send_signal(signal.SIGTERM)
    assert [each.wait(20) for each in more] == [0, 0, 0, 0]


@pytest.mark.long
def test_worker_frozen_past_its_lease_is_replaced_without_duplicates(trial: Trial, is_long_run: bool) -> None:
    times, recoveries = 10 if is_long_run else 1, []
    stack = trial.stack
    other = stack.start_extra_process("importer")
    with trial.run("worker frozen past its lease (SIGSTOP 8 s), then woken", times=times) as result:
        wait_for(lambda: children_of(other.pid), 30, "the other importer has its child")
        for _ in range(times):
            frozen = [*stack.main_pids("importer"), *stack.child_pids("importer")]
            for pid in frozen:
                stack.signal(pid, signal.SIGSTOP)
            recoveries.append(trial.measure_recovery())
            time.sleep(8)
            for pid in frozen:
                stack.signal(pid, signal.SIGCONT)
        result.recovery_seconds = longest_seconds(recoveries)
    other.send_signal(signal.SIGTERM)
    assert other.wait(20) == 0


@pytest.mark.long
@pytest.mark.parametrize(
    ("moment", "state"),
    [("transaction", "idle in transaction"), ("COPY", "active")],
    ids=["between two statements", "while it copies"],
)
def test_worker_frozen_in_a_transaction_loses_its_locks_but_no_payment(
    trial: Trial, is_long_run: bool, moment: str, state: str
) -> None:
    times, recoveries, frozen_seconds = 5 if is_long_run else 1, [], IDLE_IN_TRANSACTION_SECONDS_MAX + 3
    stack = trial.stack
    other = stack.start_extra_process("importer")
    fault = f"worker frozen mid-{moment} for {frozen_seconds} s (SIGSTOP), then woken"
    with trial.run(fault, times=times) as result:
        wait_for(lambda: children_of(other.pid), 30, "the other importer has its child")
        for _ in range(times):
            frozen, connection = wait_for(lambda: _freeze_child(stack, state), 60, f"a {moment} is under way")
            try:
                recoveries.append(trial.measure_recovery())
                wait_for(lambda pid=connection: not _is_open(stack, pid), frozen_seconds, "its transaction is ended")
            finally:
                stack.signal(frozen, signal.SIGCONT)
        result.recovery_seconds = longest_seconds(recoveries)
    other.send_signal(signal.SIGTERM)
    assert other.wait(20) == 0


def _freeze_child(stack: RunningStack, state: str) -> tuple[int, int] | None:
    """Freeze the importer's child while its PostgreSQL session is in `state`. Return the pids of child and session.

    If the session is in another state, let the child continue and return None.
    """
    (child,) = stack.child_pids("importer") or (0,)
    if not child or not stack.signal(child, signal.SIGSTOP):
        return None
    before = _stalled_backends(stack, state)
    time.sleep(1 if before else 0)
    # A connection that was active since then has another state_change.
    still = before and before & _stalled_backends(stack, state)
    if still:
        return child, still.pop()[0]
    stack.signal(child, signal.SIGCONT)
    return None


def _stalled_backends(stack: RunningStack, state: str) -> set[tuple[int, object]]:
    """Return (pid, `state_change`) of the importers' PostgreSQL sessions in `state` that wait for their client."""
    silent = (
        "SELECT pid, state_change FROM pg_stat_activity WHERE application_name LIKE 'payments importer%' "
        "AND state = :state AND wait_event = 'ClientRead'"
    )
    with transaction(stack.database) as tx:
        return {(pid, since) for pid, since in tx.execute(text(silent), {"state": state})}


def _is_open(stack: RunningStack, connection: int) -> bool:
    with transaction(stack.database) as tx:
        open_one = "SELECT 1 FROM pg_stat_activity WHERE pid = :pid"
        return tx.execute(text(open_one), {"pid": connection}).first() is not None


@pytest.mark.long
def test_stopped_worker_finishes_its_chunk_and_leaves_the_rest_pending(trial: Trial, is_long_run: bool) -> None:
    times, recoveries = 20 if is_long_run else 2, []
    stack, ended_before = trial.stack, len(_exit_statuses(trial.stack))
    with trial.run("SIGTERM mid-chunk (warm shutdown)", times=times, events=times * 300) as result:
        for _ in range(times):
            leader = stack.wait_for_main_pid("importer")
            wait_for(lambda: is_importing(stack), 60, "a chunk is under way")
            stack.signal(leader, signal.SIGTERM)
            wait_for(lambda leader=leader: not is_alive(leader), 15, "it has ended within its grace")
            recoveries.append(trial.measure_recovery())
        result.recovery_seconds = longest_seconds(recoveries)
    # It stopped in time each time, and was not killed.
    assert _exit_statuses(stack)[ended_before:] == [0] * times


def _exit_statuses(stack: RunningStack) -> list[int]:
    """Return the exit statuses of ended importers, oldest first."""
    lines = (stack.home / "supervisor.log").read_text(errors="replace").splitlines()
    books = [json.loads(line) for line in lines if '"child_ended"' in line]
    return [each["status"] for each in books if each["child"] == "importer"]
