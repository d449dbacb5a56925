"""PostgreSQL goes away, stands still, hangs up, refuses and is full, while events stream."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from payments.store.db.connection import is_transient, transaction
from tests.faults.injuries import cut_postgres, kill, stand_still
from tests.faults.plant import Plant
from tests.faults.processes import children_of, until
from tests.faults.scene import Scene, longest


def test_a_postgres_that_is_killed_comes_back_with_everything_that_it_committed(scene: Scene, is_long: bool) -> None:
    times, recoveries = 10 if is_long else 1, []
    with scene.trial("SIGKILL of PostgreSQL, restarted", times=times, events=times * 800) as result:
        for _ in range(times):
            time.sleep(0.5)
            kill(scene.plant, "postgres")
            recoveries.append(scene.recovery())
        result.recovery_seconds = longest(recoveries)


@pytest.mark.long
def test_connections_cut_in_the_middle_of_transactions_cost_a_try(scene: Scene) -> None:
    times, recoveries = 100, []
    with scene.trial("pg_terminate_backend mid-transaction", times=times, events=times * 100) as result:
        cut = 0
        for _ in range(times):
            cut += until(lambda: cut_postgres(scene.plant, at_work=True), 30, "a transaction is under way")
            time.sleep(0.05)
        recoveries.append(scene.recovery())
        result.note, result.recovery_seconds = f"{cut} connections cut", longest(recoveries)


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
def test_what_postgres_refuses_now_is_imported_later(scene: Scene, state: str, fault: str) -> None:
    with scene.trial(f"{fault}: PostgreSQL answers {state} to half of the commits", times=1) as result:
        # Each event of a transaction is refused by itself: few enough that half of the transactions get through.
        with refusing(scene.plant, state, share=0.02) as failed:
            time.sleep(8)
        result.recovery_seconds = round(scene.recovery(), 1)
        result.note = f"{failed():,} attempts failed"


@pytest.mark.long
def test_a_full_disk_is_waited_for(scene: Scene) -> None:
    with scene.trial("disk full: PostgreSQL answers 53100 to every commit, 4 s", times=1) as result:
        with refusing(scene.plant, "53100", share=1.0) as failed:
            time.sleep(4)
        result.recovery_seconds = round(scene.recovery(), 1)
        result.note = f"{failed():,} attempts failed"


@pytest.mark.long
def test_a_postgres_that_stands_still_for_a_minute_is_waited_for(scene: Scene) -> None:
    with scene.trial("PostgreSQL stopped for 60 s (SIGSTOP)", times=1) as result:
        with _standing_still(scene.plant):
            time.sleep(60)
        result.recovery_seconds = round(scene.recovery(), 1)


@pytest.mark.long
def test_a_postgres_that_takes_no_connection_for_a_minute_is_waited_for(scene: Scene) -> None:
    with scene.trial("PostgreSQL's listener stopped for 60 s (SIGSTOP)", times=1) as result:
        stand_still(scene.plant, "postgres", 60)
        result.recovery_seconds = round(scene.recovery(), 1)


@contextmanager
def refusing(plant: Plant, state: str, share: float) -> Iterator[Callable[[], int]]:
    """Have PostgreSQL refuse transactions with this code at their commit; what it gives tells how many tries failed."""
    before = _failed_tries(plant)
    _change(
        plant,
        "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        f"IF random() < {share} THEN RAISE EXCEPTION 'forced by a test' USING ERRCODE = '{state}'; END IF; "
        "RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON history DEFERRABLE INITIALLY DEFERRED "
        "FOR EACH ROW WHEN (NEW.what <> 'Failed') EXECUTE FUNCTION refuse()",
    )
    try:
        yield lambda: _failed_tries(plant) - before
    finally:
        _change(plant, "DROP TRIGGER refuse ON history")
    assert _failed_tries(plant) > before, "nothing was refused"


def _change(plant: Plant, *statements: str) -> None:
    """Change the tables under their writers. Of two that wait for each other PostgreSQL ends one, maybe this one."""

    def changed() -> bool:
        try:
            with transaction(plant.database) as tx:
                for statement in statements:
                    tx.execute(text(statement))
        except DBAPIError as error:
            if not is_transient(error):
                raise
            return False
        return True

    until(changed, 60, "the tables are changed")


def _failed_tries(plant: Plant) -> int:
    """Count the tries of an event that a test made fail."""
    with transaction(plant.database) as tx:
        found = tx.execute(text("SELECT count(*) FROM history WHERE what = 'Failed' AND error LIKE '%by a test%'"))
        return int(found.scalar_one())


@contextmanager
def _standing_still(plant: Plant) -> Iterator[None]:
    leader = plant.leader("postgres")
    family = [leader, *children_of(leader)]
    for pid in family:
        plant.signal(pid, signal.SIGSTOP)
    yield
    for pid in family:
        plant.signal(pid, signal.SIGCONT)
