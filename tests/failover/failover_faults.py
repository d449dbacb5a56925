"""The faults of a failover schedule. The test does not end a fault before the system has recovered from it.

The test does only the work of an administrator, because neither Patroni nor Billing can do it. It connects a
partitioned node when payments are imported again. It frees a full disk after ADMINISTRATOR_SECONDS.
"""

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from signal import SIGKILL, SIGSTOP

from tests.failover.patroni_cluster import PatroniCluster
from tests.failover.patroni_node import Node
from tests.faults.replicated_valkey import ReplicatedValkey

BLOCK_BYTES, ADMINISTRATOR_SECONDS = 1_000_000, 45


@dataclass(frozen=True)
class Systems:
    """The systems that a fault may affect."""

    cluster: PatroniCluster
    valkey: ReplicatedValkey

    def primary(self) -> Node:
        """Return the primary of PostgreSQL."""
        leader = self.cluster.leader()
        assert leader is not None, "the cluster is complete before each fault"
        return leader


Fault = Callable[[Systems], contextlib.AbstractContextManager[object]]
"""Begins a fault. The context ends when payments are imported again."""


def _instant(inject: Callable[[Systems], object]) -> Fault:
    """Return a fault that needs no administrator."""

    @contextmanager
    def fault(systems: Systems) -> Iterator[None]:
        inject(systems)
        yield

    return fault


@contextmanager
def _partition(systems: Systems) -> Iterator[None]:
    """Cut the primary off from the standbys, from etcd and from all clients."""
    node = systems.primary()
    systems.cluster.network.cut(node.number)
    try:
        yield
    finally:
        systems.cluster.network.join(node.number)


@contextmanager
def _full_disk(systems: Systems) -> Iterator[None]:
    """Fill the disk of the primary. Patroni does not replace this primary, so the alarm calls an administrator."""
    _fill(systems.primary())
    yield


def _fill(node: Node) -> None:
    """Keep a disk full until the administrator frees it."""
    ends_at = time.monotonic() + ADMINISTRATOR_SECONDS
    with node.ballast.open("ab", buffering=0) as file:
        while time.monotonic() < ends_at:
            try:
                file.write(bytes(BLOCK_BYTES))
            except OSError:
                time.sleep(0.2)  # then what PostgreSQL has deleted is filled again
    node.ballast.unlink()


POSTGRES: dict[str, Fault] = {
    "SIGKILL of the PostgreSQL primary": _instant(lambda systems: systems.primary().signal_postgres(SIGKILL)),
    "reset of the primary's machine": _instant(lambda systems: systems.primary().kill()),
    "PostgreSQL primary frozen (SIGSTOP)": _instant(lambda systems: systems.primary().signal_postgres(SIGSTOP)),
    "planned switch-over of PostgreSQL": _instant(lambda systems: systems.cluster.switch_over()),
}
PARTITION = {"partition of the PostgreSQL primary": _partition}
FULL_DISK = {"disk of the PostgreSQL primary full": _full_disk}


@contextmanager
def _valkey_killed(systems: Systems) -> Iterator[None]:
    """Kill the primary of Valkey. Its machine starts it again after the failover, as a replica."""
    server = systems.valkey.primary
    systems.valkey.kill(server)
    yield
    systems.valkey.restart(server)


@contextmanager
def _valkey_frozen(systems: Systems) -> Iterator[None]:
    """Freeze the primary of Valkey. A watchdog resets its machine after the failover."""
    server = systems.valkey.primary
    server.process.send_signal(SIGSTOP)
    yield
    systems.valkey.kill(server)
    systems.valkey.restart(server)


VALKEY: dict[str, Fault] = {
    "SIGKILL of the Valkey primary": _valkey_killed,
    "Valkey primary frozen (SIGSTOP)": _valkey_frozen,
    "planned switch-over of Valkey": _instant(lambda systems: systems.valkey.switch_primary()),
}


def possible_faults(cluster: PatroniCluster) -> dict[str, Fault]:
    """Return the faults that are possible here. A partition needs network namespaces, and a full disk needs mounts."""
    return (
        POSTGRES
        | (PARTITION if cluster.network.can_partition else {})
        | (FULL_DISK if cluster.has_own_disks else {})
        | VALKEY
    )


def seeded_schedule(faults: dict[str, Fault], seed: int, count: int) -> list[str]:
    """Return the names of the faults of schedule `seed`. Successive seeds cover every fault before one repeats."""
    rounds, names = divmod(seed * count, len(faults)), sorted(faults)
    chosen: list[str] = []
    number, skipped = rounds
    while len(chosen) < count:
        order = random.Random(number).sample(names, len(names))
        chosen += order[skipped : skipped + count - len(chosen)]
        number, skipped = number + 1, 0
    return chosen
