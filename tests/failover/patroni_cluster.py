"""A PostgreSQL primary with two standbys, one of them synchronous, under Patroni and etcd. All are real processes."""

import shutil
import subprocess
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from devstack.postgres_binaries import make_parents_traversable
from tests.failover.node_network import make_network
from tests.failover.patroni_node import CLUSTER_NAME, PATRONI_PROGRAMS, Node
from tests.faults.processes import wait_for
from workers.runtime.ports import free_port

NODES = 3
DATABASE = "payments"
START_SECONDS, REJOIN_SECONDS, WATCH_SECONDS = 90, 300, 1


class PatroniCluster:
    """The nodes with their etcd and their network. They run during the `with` block."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.network = folder, make_network(NODES)
        self.etcd_port, self.etcd_peer_port = free_port(), free_port()
        self.nodes: list[Node] = []
        self._etcd: subprocess.Popen[bytes] | None = None
        self._is_over = threading.Event()
        self._watch = threading.Thread(target=self._watch_nodes, name="watchdog", daemon=True)

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def url(self) -> str:
        """The URL of the database `payments`, with all nodes as hosts."""
        hosts = ",".join(f"{node.address}:{node.port}" for node in self.nodes)
        return f"postgresql://postgres@{hosts}/{DATABASE}"

    @property
    def has_own_disks(self) -> bool:
        """Return whether each node has a separate disk, which a test can fill."""
        return all(node.has_own_disk for node in self.nodes)

    def leader(self) -> Node | None:
        """Return the node that accepts writes according to its Patroni, or None if there is no such node."""
        return next((node for node in self.nodes if node.query_patroni("primary") is not None), None)

    def standbys(self) -> list[Node]:
        """Return the nodes that stream from the primary."""
        found = []
        for node in self.nodes:
            state = node.query_patroni("replica")
            if state is not None and state.get("replication_state") == "streaming":
                found.append(node)
        return found

    def is_complete(self) -> bool:
        """Return whether there is a primary with two standbys, one of them synchronous."""
        return (
            self.leader() is not None
            and len(self.standbys()) == NODES - 1
            and any(node.query_patroni("synchronous") is not None for node in self.nodes)
        )

    def wait_until_complete(self, seconds_max: float = REJOIN_SECONDS) -> None:
        """Wait until all nodes have joined."""
        wait_for(self.is_complete, seconds_max, f"a primary and {NODES - 1} standbys: {self._states()}")

    def switch_over(self) -> None:
        """Let Patroni switch to the synchronous standby, as an administrator does before maintenance."""
        leader = self.leader()
        assert leader is not None
        command = [
            str(PATRONI_PROGRAMS / "patronictl"),
            "-c",
            str(leader.folder / "patroni.yml"),
            "switchover",
            CLUSTER_NAME,
            "--force",
        ]
        subprocess.run(command, check=True, capture_output=True)

    def close(self) -> None:
        """Stop everything."""
        self._is_over.set()
        if self._watch.ident is not None:
            self._watch.join()
        for node in self.nodes:
            node.destroy()
        if self._etcd is not None:
            self._etcd.kill()
            self._etcd.wait()
        self.network.destroy()

    def _start(self) -> None:
        self.network.create()
        make_parents_traversable((PATRONI_PROGRAMS / "python").resolve())
        make_parents_traversable(PATRONI_PROGRAMS / "python")
        etcd = f"{self.network.gateway}:{self.etcd_port}"
        self._start_etcd(etcd)
        self.nodes = [Node(number, self.folder, self.network, etcd) for number in range(NODES)]
        for node in self.nodes:
            node.prepare()
            node.start()
        self._watch.start()
        self.wait_until_complete(START_SECONDS)
        leader = self.leader()
        assert leader is not None
        with psycopg.connect(host=leader.address, port=leader.port, user="postgres", autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {DATABASE} TEMPLATE template0 ENCODING 'UTF8'")

    def _start_etcd(self, address: str) -> None:
        program = shutil.which("etcd")
        assert program, "etcd is not installed (apt-get install etcd-server)"
        peer = f"http://127.0.0.1:{self.etcd_peer_port}"
        command = [program, "--name", "etcd", "--data-dir", str(self.folder / "etcd"), "--unsafe-no-fsync"]
        command += ["--listen-client-urls", f"http://{address}", "--advertise-client-urls", f"http://{address}"]
        command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
        command += ["--initial-cluster", f"etcd={peer}"]
        with (self.folder / "etcd.log").open("wb") as log:
            self._etcd = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)

    def _watch_nodes(self) -> None:
        while not self._is_over.wait(WATCH_SECONDS):
            for node in self.nodes:
                node.watch()

    def _states(self) -> str:
        return ", ".join(f"{node.name}: {node.query_patroni('health')}" for node in self.nodes)
