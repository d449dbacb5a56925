"""While events stream, PostgreSQL is killed, frozen or disconnected, rejects transactions, or has a full disk."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from payments.store.db.connection import is_transient, transaction
from tests.faults.fault_injection import cut_postgres, freeze, kill
from tests.faults.processes import children_of, wait_for
from tests.faults.running_stack import RunningStack
from tests.faults.trial import Trial, longest_seconds


def test_killed_postgres_keeps_every_committed_payment(trial: Trial, is_long_run: bool) -> None:
    times, recoveries = 10 if is_long_run else 1, []
    with trial.run("SIGKILL of PostgreSQL, restarted", times=times, events=times * 800) as result:
        for _ in range(times):
            time.sleep(0.5)
            kill(trial.stack, "postgres")
            recoveries.append(trial.measure_recovery())
        result.recovery_seconds = longest_seconds(recoveries)


@pytest.mark.long
def test_connections_cut_in_transactions_cost_one_attempt(trial: Trial) -> None:
    times, recoveries = 100, []
    with trial.run("pg_terminate_backend mid-transaction", times=times, events=times * 100) as result:
        cut = 0
        for _ in range(times):
            cut += wait_for(lambda: cut_postgres(trial.stack, at_work=True), 30, "a transaction is under way")
            time.sleep(0.05)
        recoveries.append(trial.measure_recovery())
        result.note, result.recovery_seconds = f"{cut} connections cut", longest_seconds(recoveries)


@pytest.mark.parametrize(
    ("state", "fault"),
    [
        ("40P01", "deadlock forced"),
        ("40001", "serialization failure forced"),
        ("53100", "disk full (as PostgreSQL reports it)"),
        ("55P03", "lock not available"),
    ],
)
@pytest.mark.long
def test_transactions_rejected_by_postgres_are_imported_later(trial: Trial, state: str, fault: str) -> None:
    with trial.run(f"{fault}: PostgreSQL answers {state} to half of the commits", times=1) as result:
        # The share counts events. At 2 % each, about half of the transactions contain no rejected event.
        with postgres_rejecting(trial.stack, state, rejection_rate=0.02) as failed:
            time.sleep(8)
        result.recovery_seconds = round(trial.measure_recovery(), 1)
        result.note = f"{failed():,} attempts failed"


@pytest.mark.long
def test_full_disk_delays_the_import_without_loss(trial: Trial) -> None:
    with trial.run("disk full: PostgreSQL answers 53100 to every commit, 4 s", times=1) as result:
        with postgres_rejecting(trial.stack, "53100", rejection_rate=1.0) as failed:
            time.sleep(4)
        result.recovery_seconds = round(trial.measure_recovery(), 1)
        result.note = f"{failed():,} attempts failed"


@pytest.mark.long
def test_postgres_frozen_for_a_minute_delays_the_import_without_loss(trial: Trial) -> None:
    with trial.run("PostgreSQL stopped for 60 s (SIGSTOP)", times=1) as result:
        with frozen_postgres(trial.stack):
            time.sleep(60)
        result.recovery_seconds = round(trial.measure_recovery(), 1)


@pytest.mark.long
def test_postgres_without_free_connections_delays_the_import_without_loss(trial: Trial) -> None:
    with trial.run("PostgreSQL's postmaster stopped for 60 s (SIGSTOP)", times=1) as result:
        freeze(trial.stack, "postgres", 60)
        result.recovery_seconds = round(trial.measure_recovery(), 1)


@contextmanager
def postgres_rejecting(stack: RunningStack, state: str, rejection_rate: float) -> Iterator[Callable[[], int]]:
    """Make PostgreSQL reject a share of the commits (0 to 1) with this SQLSTATE.

    Yield a function that counts the rejected commits.
    """
    before = _count_failed_attempts(stack)
    change_tables(
        stack,
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF random() < {rejection_rate} THEN RAISE EXCEPTION 'forced by a test' USING ERRCODE = '{state}'; END IF; "
        "RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON history DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW WHEN (NEW.what <> 'failed') EXECUTE FUNCTION refuse()",
    )
    try:
        yield lambda: _count_failed_attempts(stack) - before
    finally:
        change_tables(stack, "DROP TRIGGER refuse ON history")
    assert _count_failed_attempts(stack) > before, "nothing was refused"


def change_tables(stack: RunningStack, *statements: str) -> None:
    """Run these statements in one transaction. Repeat the transaction after transient errors for up to 60 s."""

    def try_change() -> bool:
        try:
            with transaction(stack.database) as tx:
                for statement in statements:
                    tx.execute(text(statement))
        except DBAPIError as error:
            if not is_transient(error):
                raise
            return False
        return True

    wait_for(try_change, 60, "the tables are changed")


def _count_failed_attempts(stack: RunningStack) -> int:
    """Count the recorded attempts that failed because a test rejected the commit."""
    with transaction(stack.database) as tx:
        found = tx.execute(text("SELECT count(*) FROM history WHERE what = 'failed' AND error LIKE '%by a test%'"))
        return int(found.scalar_one())


@contextmanager
def frozen_postgres(stack: RunningStack) -> Iterator[None]:
    leader = stack.wait_for_main_pid("postgres")
    family = [leader, *children_of(leader)]
    for pid in family:
        stack.signal(pid, signal.SIGSTOP)
    yield
    for pid in family:
        stack.signal(pid, signal.SIGCONT)
