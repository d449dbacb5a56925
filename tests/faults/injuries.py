"""What can be done to a running plant in passing, by name; each leaves it whole, once its keeper has seen to it."""

import random
import signal
import time
from collections.abc import Callable

import redis
from sqlalchemy import text

from payments.store.db.connection import transaction
from tests.faults.plant import Plant

STANDSTILL_SECONDS = 6


def kill(plant: Plant, name: str) -> None:
    """SIGKILL a process of that name, be it just starting again."""
    while not plant.signal(plant.leader(name), signal.SIGKILL):
        pass


def kill_child(plant: Plant, name: str) -> None:
    """SIGKILL a pool child of that worker, or the worker where it has none yet."""
    children = plant.pool(name)
    if not (children and plant.signal(children[0], signal.SIGKILL)):
        kill(plant, name)


def stand_still(plant: Plant, name: str, seconds: float = STANDSTILL_SECONDS) -> None:
    """Stop a process in its tracks for some time, and let it go on."""
    pid = plant.leader(name)
    plant.signal(pid, signal.SIGSTOP)
    time.sleep(seconds)  # that it does nothing for so long is the fault
    plant.signal(pid, signal.SIGCONT)


def cut_redis(plant: Plant) -> None:
    """Cut every connection to Redis but the one that asks for it."""
    for kind in ("normal", "pubsub"):
        try:
            plant.feed.client_kill_filter(_type=kind, skipme=True)
        except redis.ConnectionError:
            plant.feed.ping()


def cut_redis_three_times(plant: Plant) -> None:
    """Cut every connection to Redis three times in two seconds: after that, Celery workers have gone deaf."""
    for _ in range(3):
        cut_redis(plant)
        time.sleep(0.7)


def cut_postgres(plant: Plant, *, at_work: bool = False) -> int:
    """Cut the connections of our processes to PostgreSQL, or only those in a transaction; return how many."""
    which = "AND xact_start IS NOT NULL AND state <> 'idle'" if at_work else ""
    with transaction(plant.database) as tx:
        found = tx.execute(
            text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                f"WHERE application_name LIKE 'payments %' {which}"
            )
        )
        return int(found.scalar_one())


def is_importing(plant: Plant) -> bool:
    """Say whether an importer is in the middle of a transaction now."""
    under_way = (
        "SELECT 1 FROM pg_stat_activity "
        "WHERE application_name = 'payments importer' AND xact_start IS NOT NULL AND state <> 'idle'"
    )
    with transaction(plant.database) as tx:
        return tx.execute(text(under_way)).first() is not None


def fill_memory(plant: Plant, seconds: float = 3) -> None:
    """Let Valkey have no memory left for some time: it refuses whatever would need more."""
    used = int(plant.feed.info("memory")["used_memory"])
    plant.feed.config_set("maxmemory", used // 2)
    time.sleep(seconds)  # that nothing is taken for so long is the fault
    plant.feed.config_set("maxmemory", 0)


def empty_broker(plant: Plant) -> None:
    """Throw away every message that is queued."""
    plant.broker.flushdb()


def stop_importer(plant: Plant) -> None:
    """Tell the importer to stop, as a deployment does."""
    plant.signal(plant.leader("importer"), signal.SIGTERM)


PASSING: dict[str, Callable[[Plant], object]] = {
    "SIGKILL of the importer's child": lambda plant: kill_child(plant, "importer"),
    "SIGKILL of the importer": lambda plant: kill(plant, "importer"),
    "SIGKILL of the dispatcher": lambda plant: kill(plant, "intake"),
    "SIGKILL of beat": lambda plant: kill(plant, "scheduler"),
    "SIGKILL of the back office": lambda plant: kill(plant, "backoffice"),
    "SIGTERM of the importer": stop_importer,
    "SIGKILL of Valkey": lambda plant: kill(plant, "valkey"),
    "Valkey stopped for 6 s": lambda plant: stand_still(plant, "valkey"),
    "Redis connections cut three times": cut_redis_three_times,
    "broker emptied": empty_broker,
    "Valkey's memory full for 3 s": fill_memory,
    "SIGKILL of PostgreSQL": lambda plant: kill(plant, "postgres"),
    "PostgreSQL connections cut": cut_postgres,
    "importer stopped for 6 s": lambda plant: stand_still(plant, "importer"),
    "dispatcher stopped for 6 s": lambda plant: stand_still(plant, "intake"),
}


def in_turn(chance: random.Random) -> Callable[[], str]:
    """Return what names the next injury: all of them once in a random order, then all in another."""
    left: list[str] = []

    def next_one() -> str:
        if not left:
            left.extend(PASSING)
            chance.shuffle(left)
        return left.pop()

    return next_one
