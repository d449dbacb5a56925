"""Outages during a stream of events: PostgreSQL refuses every payment, or the feed's memory is full.

Payments are imported soon afterwards without an operator, and no attempt during an outage is counted.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest
from sqlalchemy import text

from payments.store.db.connection import transaction
from tasks.feed.stream import pending_count
from tests.faults.fault_injection import cut_postgres
from tests.faults.processes import wait_for
from tests.faults.running_stack import STREAM, RunningStack
from tests.faults.test_postgres import change_tables, frozen_postgres
from tests.faults.trial import EVENTS_PER_SECOND, Trial

RECOVERY_SECONDS_MAX = 120
LONG_SECONDS, LONG_EVENTS, SETTLED_SECONDS = 600, 100_000, 120
MEMORY_GROWTH_MAX = 1.1


@contextmanager
def without_table(stack: RunningStack, name: str = "entries") -> Iterator[None]:
    """Rename a table while the block runs."""
    change_tables(stack, f"ALTER TABLE {name} RENAME TO {name}_away")
    yield
    change_tables(stack, f"ALTER TABLE {name}_away RENAME TO {name}")


@contextmanager
def read_only_database(stack: RunningStack) -> Iterator[None]:
    """Make the database read-only for new transactions, as on a demoted server."""
    name = stack.database.url.database
    change_tables(stack, f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    cut_postgres(stack)
    yield
    change_tables(stack, "SET TRANSACTION READ WRITE", f"ALTER DATABASE {name} SET default_transaction_read_only = off")


@contextmanager
def refusing_postings(stack: RunningStack, state: str) -> Iterator[None]:
    """Refuse every posting with this SQLSTATE."""
    change_tables(
        stack,
        "CREATE OR REPLACE FUNCTION refuse_posting() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"RAISE EXCEPTION 'forced by a test' USING ERRCODE = '{state}'; END $$",
        "CREATE TRIGGER refuse_posting BEFORE INSERT ON entries FOR EACH ROW EXECUTE FUNCTION refuse_posting()",
    )
    yield
    change_tables(stack, "DROP TRIGGER refuse_posting ON entries")


OUTAGE_BY_NAME: dict[str, Callable[[RunningStack], AbstractContextManager[None]]] = {
    "the table of entries is missing": without_table,
    "the database is read-only": read_only_database,
    "INSERT is not permitted (42501)": lambda stack: refusing_postings(stack, "42501"),
    "the disk is full (53100)": lambda stack: refusing_postings(stack, "53100"),
    "every lock times out (55P03)": lambda stack: refusing_postings(stack, "55P03"),
    "every statement is cancelled (57014)": lambda stack: refusing_postings(stack, "57014"),
}


def test_attempts_during_missing_table_are_not_counted(trial: Trial) -> None:
    keep_outage(trial, "the table of entries is missing", 15)


@pytest.mark.parametrize("fault", OUTAGE_BY_NAME)
@pytest.mark.long
def test_attempts_during_outage_are_not_counted(trial: Trial, fault: str, is_long_run: bool) -> None:
    if is_long_run:
        keep_outage(trial, fault, LONG_SECONDS, rate=LONG_EVENTS / LONG_SECONDS)
    else:
        keep_outage(trial, fault, 60)


def keep_outage(trial: Trial, fault: str, seconds: float, rate: float = EVENTS_PER_SECOND) -> None:
    """Keep up an outage for `seconds`. Check that all payments are imported soon afterwards, without counted attempts.

    Also check that after SETTLED_SECONDS the memory of each process grows by at most MEMORY_GROWTH_MAX.
    """
    before = count_exhausted(trial.stack)
    with trial.run(f"{fault}, {seconds:.0f} s", times=1, rate=rate) as result:
        with OUTAGE_BY_NAME[fault](trial.stack):
            pending_max = wait_in_outage(trial.stack, min(seconds, SETTLED_SECONDS))
            settled = trial.stack.memory()
            pending_max = max(pending_max, wait_in_outage(trial.stack, seconds - SETTLED_SECONDS))
            grown = {pid: now / settled[pid] for pid, now in trial.stack.memory().items() if pid in settled}
        started, newest = time.monotonic(), trial.stack.newest_entry_id()
        wait_for(lambda: trial.stack.is_acknowledged(newest), RECOVERY_SECONDS_MAX, "what was on the feed is imported")
        result.recovery_seconds = round(time.monotonic() - started, 1)
        growth = f", memory of a process at most {max(grown.values()) - 1:+.0%}" if seconds > SETTLED_SECONDS else ""
        result.note = f"at most {pending_max:,} entries pending{growth}"
    assert count_exhausted(trial.stack) == before
    assert pending_max <= 5_000
    assert max(grown.values()) <= MEMORY_GROWTH_MAX, grown


def wait_in_outage(stack: RunningStack, seconds: float) -> int:
    """Wait during a fault. Return the greatest number of pending entries in this time."""
    pending_max, ends_at = 0, time.monotonic() + seconds
    while time.monotonic() < ends_at:
        time.sleep(0.2)  # the duration of the fault
        pending_max = max(pending_max, pending_count(stack.feed, STREAM))
    return pending_max


def test_feed_whose_memory_stays_full_is_imported_without_an_operator(trial: Trial) -> None:
    with trial.run(
        "Valkey's memory full of events, noeviction, never raised", times=1, rate=4_000, events=8_000
    ) as result:
        with frozen_postgres(trial.stack):
            used = int(trial.stack.feed.info("memory")["used_memory"])
            trial.stack.feed.config_set("maxmemory", used + 1_000_000)
            wait_for(lambda: is_memory_full(trial.stack), 60, "the feed refuses events")
        started, newest = time.monotonic(), trial.stack.newest_entry_id()
        wait_for(lambda: trial.stack.is_acknowledged(newest), RECOVERY_SECONDS_MAX, "what was on the feed is imported")
        result.recovery_seconds = round(time.monotonic() - started, 1)
    trial.stack.feed.config_set("maxmemory", 0)
    assert "published again" in result.note, "nothing was refused"


def is_memory_full(stack: RunningStack) -> bool:
    """Return whether Valkey uses all of its memory."""
    memory = stack.feed.info("memory")
    return int(memory["used_memory"]) >= int(memory["maxmemory"])


def count_exhausted(stack: RunningStack) -> int:
    """Return how many payments are Not Sent because their retries were exhausted."""
    with transaction(stack.database) as tx:
        query = (
            "SELECT (SELECT count(*) FROM set_aside WHERE reason = 'retries_exhausted') "
            "+ (SELECT count(*) FROM lines WHERE reason = 'retries_exhausted')"
        )
        return int(tx.execute(text(query)).scalar_one())
