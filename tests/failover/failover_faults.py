"""The faults of a failover schedule: how each fault begins, and how the test ends it.

Patroni and Billing must recover without help. The test only does the work of an administrator: it reconnects a
partitioned node after payments are imported again, and frees a full disk after ADMINISTRATOR_SECONDS.
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

    def postgres_primary(self) -> Node:
        """Return the primary of PostgreSQL."""
        leader = self.cluster.leader()
        assert leader is not None, "the cluster is complete before each fault"
        return leader


Fault = Callable[[Systems], contextlib.AbstractContextManager[object]]
"""A context manager of a fault. The fault begins when the block is entered. When payments are imported again, the test
leaves the block, and the context manager does the work of an administrator."""


def _instant_fault(inject: Callable[[Systems], object]) -> Fault:
    """Return a fault that is injected by calling `inject`. When the block is left, nothing is done."""

    @contextmanager
    def fault(systems: Systems) -> Iterator[None]:
        inject(systems)
        yield

    return fault


@contextmanager
def _partition_primary(systems: Systems) -> Iterator[None]:
    """Cut the primary off from the standbys, from etcd and from all clients."""
    node = systems.postgres_primary()
    systems.cluster.network.disconnect(node.number)
    try:
        yield
    finally:
        systems.cluster.network.reconnect(node.number)


@contextmanager
def _fill_primary_disk(systems: Systems) -> Iterator[None]:
    """Fill the disk of the primary. Patroni does not replace such a primary, so an administrator must free the disk."""
    _keep_disk_full(systems.postgres_primary())
    yield


def _keep_disk_full(node: Node) -> None:
    """Keep the disk of a node full for ADMINISTRATOR_SECONDS. Then free it, as an administrator would."""
    ends_at = time.monotonic() + ADMINISTRATOR_SECONDS
    with node.ballast.open("ab", buffering=0) as file:
        while time.monotonic() < ends_at:
            try:
                file.write(bytes(BLOCK_BYTES))
            except OSError:
                time.sleep(0.2)  # then what PostgreSQL has deleted is filled again
    node.ballast.unlink()


POSTGRES_FAULTS: dict[str, Fault] = {
    "SIGKILL of the PostgreSQL primary": _instant_fault(
        lambda systems: systems.postgres_primary().signal_postgres(SIGKILL)
    ),
    "reset of the primary's machine": _instant_fault(lambda systems: systems.postgres_primary().kill()),
    "PostgreSQL primary frozen (SIGSTOP)": _instant_fault(
        lambda systems: systems.postgres_primary().signal_postgres(SIGSTOP)
    ),
    "planned switch-over of PostgreSQL": _instant_fault(lambda systems: systems.cluster.switch_over()),
}
PARTITION_FAULTS = {"partition of the PostgreSQL primary": _partition_primary}
FULL_DISK_FAULTS = {"disk of the PostgreSQL primary full": _fill_primary_disk}


@contextmanager
def _kill_valkey_primary(systems: Systems) -> Iterator[None]:
    """Kill the primary of Valkey. After the failover, restart it; it then becomes a replica."""
    server = systems.valkey.primary
    systems.valkey.kill(server)
    yield
    systems.valkey.restart(server)


@contextmanager
def _freeze_valkey_primary(systems: Systems) -> Iterator[None]:
    """Freeze the Valkey primary. After the failover, kill it and restart it, as a hardware watchdog would."""
    server = systems.valkey.primary
    server.process.send_signal(SIGSTOP)
    yield
    systems.valkey.kill(server)
    systems.valkey.restart(server)


VALKEY_FAULTS: dict[str, Fault] = {
    "SIGKILL of the Valkey primary": _kill_valkey_primary,
    "Valkey primary frozen (SIGSTOP)": _freeze_valkey_primary,
    "planned switch-over of Valkey": _instant_fault(lambda systems: systems.valkey.switch_primary()),
}


def possible_faults(cluster: PatroniCluster) -> dict[str, Fault]:
    """Return the faults that this machine allows. A partition needs namespaces, and a full disk needs mounts."""
    return (
        POSTGRES_FAULTS
        | (PARTITION_FAULTS if cluster.network.can_partition else {})
        | (FULL_DISK_FAULTS if cluster.has_own_disks else {})
        | VALKEY_FAULTS
    )


def seeded_schedule(faults: dict[str, Fault], seed: int, count: int) -> list[str]:
    """Return the names of the `count` faults of schedule `seed`.

    Schedules with successive seeds continue one sequence, in which each fault occurs once before any occurs again.
    """
    rounds, names = divmod(seed * count, len(faults)), sorted(faults)
    chosen: list[str] = []
    number, skipped = rounds
    while len(chosen) < count:
        order = random.Random(number).sample(names, len(names))
        chosen += order[skipped : skipped + count - len(chosen)]
        number, skipped = number + 1, 0
    return chosen
