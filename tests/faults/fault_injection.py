"""Inject named faults into a running stack. The supervisor restarts the processes that a fault has ended."""

import random
import signal
import time
from collections.abc import Callable

import redis
from sqlalchemy import text

from payments.store.db.connection import transaction
from tests.faults.running_stack import RunningStack

STANDSTILL_SECONDS = 6


def kill(stack: RunningStack, name: str) -> None:
    """Kill a process of this name with SIGKILL, even if the process is still starting."""
    while not stack.signal(stack.wait_for_main_pid(name), signal.SIGKILL):
        pass


def kill_child(stack: RunningStack, name: str) -> None:
    """Kill a child process of a Celery worker with SIGKILL, or the worker if it has no child yet."""
    children = stack.child_pids(name)
    if not (children and stack.signal(children[0], signal.SIGKILL)):
        kill(stack, name)


def freeze(stack: RunningStack, name: str, seconds: float = STANDSTILL_SECONDS) -> None:
    """Stop a process with SIGSTOP, and continue it with SIGCONT after `seconds`."""
    pid = stack.wait_for_main_pid(name)
    stack.signal(pid, signal.SIGSTOP)
    time.sleep(seconds)  # the duration of the fault
    stack.signal(pid, signal.SIGCONT)


def cut_redis(stack: RunningStack) -> None:
    """Close every connection to Redis except the one that sends this command."""
    for kind in ("normal", "pubsub"):
        try:
            stack.feed.client_kill_filter(_type=kind, skipme=True)
        except redis.ConnectionError:
            stack.feed.ping()


def cut_redis_three_times(stack: RunningStack) -> None:
    """Close every connection to Redis three times in two seconds, which makes Celery workers stall."""
    for _ in range(3):
        cut_redis(stack)
        time.sleep(0.7)


def cut_postgres(stack: RunningStack, *, at_work: bool = False) -> int:
    """Terminate the PostgreSQL connections of the product's processes, and return their number.

    If `at_work`, terminate only those with an active transaction.
    """
    which = "AND xact_start IS NOT NULL AND state <> 'idle'" if at_work else ""
    with transaction(stack.database) as tx:
        found = tx.execute(
            text(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity "
                f"WHERE application_name LIKE 'payments %' {which}"
            )
        )
        return int(found.scalar_one())


def is_importing(stack: RunningStack) -> bool:
    """Return whether an importer has an open transaction."""
    under_way = (
        "SELECT 1 FROM pg_stat_activity "
        "WHERE application_name LIKE 'payments importer%' AND xact_start IS NOT NULL AND state <> 'idle'"
    )
    with transaction(stack.database) as tx:
        return tx.execute(text(under_way)).first() is not None


def fill_memory(stack: RunningStack, seconds: float = 3) -> None:
    """Limit Valkey's memory for `seconds`, so that Valkey rejects writes."""
    used = int(stack.feed.info("memory")["used_memory"])
    stack.feed.config_set("maxmemory", used // 2)
    time.sleep(seconds)  # the duration of the fault
    stack.feed.config_set("maxmemory", 0)


def empty_broker(stack: RunningStack) -> None:
    """Delete every queued message."""
    stack.broker.flushdb()


def stop_importer(stack: RunningStack) -> None:
    """Stop the importer with SIGTERM, as a deployment does."""
    stack.signal(stack.wait_for_main_pid("importer"), signal.SIGTERM)


TRANSIENT_FAULTS: dict[str, Callable[[RunningStack], object]] = {
    "SIGKILL of the importer's child": lambda stack: kill_child(stack, "importer"),
    "SIGKILL of the importer": lambda stack: kill(stack, "importer"),
    "SIGKILL of the retrier": lambda stack: kill(stack, "retrier"),
    "SIGKILL of the dispatcher": lambda stack: kill(stack, "intake"),
    "SIGKILL of beat": lambda stack: kill(stack, "scheduler"),
    "SIGKILL of the back office": lambda stack: kill(stack, "backoffice"),
    "SIGTERM of the importer": stop_importer,
    "SIGKILL of Valkey": lambda stack: kill(stack, "valkey"),
    "Valkey stopped for 6 s": lambda stack: freeze(stack, "valkey"),
    "Redis connections cut three times": cut_redis_three_times,
    "broker emptied": empty_broker,
    "Valkey's memory full for 3 s": fill_memory,
    "SIGKILL of PostgreSQL": lambda stack: kill(stack, "postgres"),
    "PostgreSQL connections cut": cut_postgres,
    "importer stopped for 6 s": lambda stack: freeze(stack, "importer"),
    "dispatcher stopped for 6 s": lambda stack: freeze(stack, "intake"),
}


def fault_shuffler(chance: random.Random) -> Callable[[], str]:
    """Return a function that returns the next fault's name. Each round has every fault once, shuffled by `chance`."""
    left: list[str] = []

    def next_fault() -> str:
        if not left:
            left.extend(TRANSIENT_FAULTS)
            chance.shuffle(left)
        return left.pop()

    return next_fault
