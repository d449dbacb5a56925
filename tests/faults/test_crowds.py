"""Several of each at once, one that stands still and wakes again, one that is told to stop in the middle of work."""

import json
import signal
import time

import pytest
from sqlalchemy import text

from payments.store.db.connection import SILENT_SECONDS_MAX, transaction
from tests.faults.injuries import is_importing
from tests.faults.plant import Plant
from tests.faults.processes import children_of, is_alive, until
from tests.faults.scene import Scene, longest


@pytest.mark.long
def test_two_intakes_and_four_importers_share_the_feed(scene: Scene, is_long: bool) -> None:
    plant, events = scene.plant, 20_000 if is_long else 4_000
    more = [plant.add(name) for name in ("intake", "importer", "importer", "importer")]
    with scene.trial("2 dispatchers and 4 importers in parallel", times=1, events=events, rate=2_000) as result:
        until(lambda: all(children_of(each.pid) for each in more[1:]), 30, "all importers have their children")
        result.recovery_seconds = round(scene.recovery(), 1)
    for each in more:
        each.send_signal(signal.SIGTERM)
    assert [each.wait(20) for each in more] == [0, 0, 0, 0]


@pytest.mark.long
def test_a_worker_that_stands_still_past_its_lease_finds_its_work_done_by_another(scene: Scene, is_long: bool) -> None:
    times, recoveries = 10 if is_long else 1, []
    plant = scene.plant
    other = plant.add("importer")
    with scene.trial("worker frozen past its lease (SIGSTOP 8 s), then woken", times=times) as result:
        until(lambda: children_of(other.pid), 30, "the other importer has its child")
        for _ in range(times):
            frozen = [*plant.leaders("importer"), *plant.pool("importer")]
            for pid in frozen:
                plant.signal(pid, signal.SIGSTOP)
            recoveries.append(scene.recovery())
            time.sleep(8)
            for pid in frozen:
                plant.signal(pid, signal.SIGCONT)
        result.recovery_seconds = longest(recoveries)
    other.send_signal(signal.SIGTERM)
    assert other.wait(20) == 0


@pytest.mark.long
@pytest.mark.parametrize(
    ("moment", "state"),
    [("transaction", "idle in transaction"), ("COPY", "active")],
    ids=["between two statements", "while it copies"],
)
def test_a_worker_frozen_in_mid_transaction_loses_its_locks_and_not_its_work(
    scene: Scene, is_long: bool, moment: str, state: str
) -> None:
    times, recoveries, frozen_seconds = 5 if is_long else 1, [], SILENT_SECONDS_MAX + 3
    plant = scene.plant
    other = plant.add("importer")
    fault = f"worker frozen mid-{moment} for {frozen_seconds} s (SIGSTOP), then woken"
    with scene.trial(fault, times=times) as result:
        until(lambda: children_of(other.pid), 30, "the other importer has its child")
        for _ in range(times):
            frozen, connection = until(lambda: _frozen(plant, state), 60, f"a {moment} is under way")
            try:
                recoveries.append(scene.recovery())
                until(lambda pid=connection: not _is_open(plant, pid), frozen_seconds, "its transaction is ended")
            finally:
                plant.signal(frozen, signal.SIGCONT)
        result.recovery_seconds = longest(recoveries)
    other.send_signal(signal.SIGTERM)
    assert other.wait(20) == 0


def _frozen(plant: Plant, state: str) -> tuple[int, int] | None:
    """Freeze the importer's child, and return it with its connection's number where that waits for it so."""
    (child,) = plant.pool("importer") or (0,)
    if not child or not plant.signal(child, signal.SIGSTOP):
        return None
    before = _silent(plant, state)
    time.sleep(1 if before else 0)
    # In every other's something has been said meanwhile.
    still = before and before & _silent(plant, state)
    if still:
        return child, still.pop()[0]
    plant.signal(child, signal.SIGCONT)
    return None


def _silent(plant: Plant, state: str) -> set[tuple[int, object]]:
    """Return the connections of importers that wait for a word in a transaction, and since when."""
    silent = (
        "SELECT pid, state_change FROM pg_stat_activity WHERE application_name = 'payments importer' "
        "AND state = :state AND wait_event = 'ClientRead'"
    )
    with transaction(plant.database) as tx:
        return {(pid, since) for pid, since in tx.execute(text(silent), {"state": state})}


def _is_open(plant: Plant, connection: int) -> bool:
    with transaction(plant.database) as tx:
        open_one = "SELECT 1 FROM pg_stat_activity WHERE pid = :pid"
        return tx.execute(text(open_one), {"pid": connection}).first() is not None


@pytest.mark.long
def test_a_worker_that_is_told_to_stop_ends_what_it_is_at_and_leaves_the_rest(scene: Scene, is_long: bool) -> None:
    times, recoveries = 20 if is_long else 2, []
    plant, ended_before = scene.plant, len(_endings(scene.plant))
    with scene.trial("SIGTERM mid-chunk (warm shutdown)", times=times, events=times * 300) as result:
        for _ in range(times):
            leader = plant.leader("importer")
            until(lambda: is_importing(plant), 60, "a chunk is under way")
            plant.signal(leader, signal.SIGTERM)
            until(lambda leader=leader: not is_alive(leader), 15, "it has ended within its grace")
            recoveries.append(scene.recovery())
        result.recovery_seconds = longest(recoveries)
    # It went by itself each time, and was not killed for being slow.
    assert _endings(plant)[ended_before:] == [0] * times


def _endings(plant: Plant) -> list[int]:
    """Return the statuses with which importers have ended, in their order."""
    lines = (plant.home / "keeper.log").read_text(errors="replace").splitlines()
    told = [json.loads(line) for line in lines if '"child_ended"' in line]
    return [each["status"] for each in told if each["child"] == "importer"]
